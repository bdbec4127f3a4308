"""DA-Flow nano, stage 0: the restoration diffusion on single frames, from scratch.

Order: restore -> lift -> flow, each with the weights of the one before. The argument is a built set
of clean videos; without it the clips are the generator's. Run:
    python train.py --config configs/daflow/restore.py --workdir runs/restore
"""

import ml_collections


def get_config(folder=""):
    """Returns the configuration for the built set of videos in `folder`."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="restoration", unit="frame")
    config.model = dict(name="restorer-nano")
    config.optimizer = dict(
        lr=5e-4, schedule="cosine", warmup_steps=100, weight_decay=1e-2, ema_decay=0.999
    )
    config.data = dict(keys=("lq", "hq"), scene=dict(frames=2, height=128, width=128))
    if folder:
        config.data.update(name="mixture", sources=(dict(kind="built", path=folder),))
    config.train = dict(steps=4000, batch_size=8)
    config.eval = dict(batches=4)
    return config
