"""DA-Flow nano, stage 1: the restorer sees three frames at once (DA-Flow, sec. 4.2).

Order: restore -> lift -> flow; starts from the weights of configs/daflow/restore.py. Run:
    python train.py --config configs/daflow/lift.py --workdir runs/lift
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="restoration", unit="clip")
    config.model = dict(name="restorer-nano")
    config.optimizer = dict(
        lr=2e-4, schedule="cosine", warmup_steps=100, weight_decay=1e-2, ema_decay=0.999
    )
    config.data = dict(keys=("lq", "hq"), scene=dict(frames=3, height=128, width=128))
    config.train = dict(steps=2000, batch_size=4)
    config.eval = dict(every=500, batches=4)
    config.checkpoint = dict(every=500, init_from="runs/restore")
    config.seed = 1
    config.log = dict(pictures_every=500)
    return config
