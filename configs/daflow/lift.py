"""DA-Flow nano, stage 1: the restorer sees three frames at once (DA-Flow, sec. 4.2).

Order: restore -> lift -> flow; starts from the weights of stage 0. Run:
    python train.py --config configs/daflow/lift.py --workdir runs/lift \
        --config.checkpoint.init_from=runs/restore
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="restoration", unit="clip", weighting="x0")
    config.model = dict(name="restorer-nano")
    config.optimizer = dict(
        lr=2e-4, schedule="cosine", warmup_steps=100, weight_decay=1e-2, ema_decay=0.999
    )
    config.data = dict(
        source="host",
        num_workers=0,
        keys=("lq", "hq", "weight"),
        scene=dict(frames=3, height=128, width=128, min_shapes=2),
    )
    config.degrade = dict(mode="clip", min_severity=0.0, max_severity=5.5)
    config.train = dict(steps=2000, batch_size=4, steps_per_call=1, max_bad_steps=10)
    config.eval = dict(every=500, batches=4)
    config.checkpoint = dict(every=500, keep=3, init_from="")
    config.mesh = dict(data=-1, fsdp=1)
    config.precision = "p=f32,c=f32"
    config.seed = 1
    config.log = dict(every=50, pictures_every=500, tensorboard=True)
    return config
