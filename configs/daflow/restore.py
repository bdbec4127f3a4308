"""DA-Flow nano, stage 0: the restoration diffusion on single frames, from scratch.

Order: restore -> lift -> flow. Run:
    python train.py --config configs/daflow/restore.py --workdir runs/restore
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="restoration", unit="frame", weighting="x0")
    config.model = dict(name="restorer-nano")
    config.optimizer = dict(
        lr=5e-4, schedule="cosine", warmup_steps=100, weight_decay=1e-2, ema_decay=0.999
    )
    config.data = dict(
        source="host",
        num_workers=0,
        keys=("lq", "hq", "weight"),
        scene=dict(frames=2, height=128, width=128, min_shapes=2),
    )
    config.degrade = dict(mode="clip", min_severity=0.0, max_severity=5.5)
    config.train = dict(steps=4000, batch_size=8, steps_per_call=1, max_bad_steps=10)
    config.eval = dict(every=1000, batches=4)
    config.checkpoint = dict(every=1000, keep=3, init_from="")
    config.mesh = dict(data=-1, fsdp=1)
    config.precision = "p=f32,c=f32"
    config.seed = 0
    config.log = dict(every=50, pictures_every=1000, tensorboard=True)
    return config
