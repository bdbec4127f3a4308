"""DA-Flow nano, stage 2: flow on the frozen lifted features (DA-Flow, sec. 4.4).

Order: restore -> lift -> flow; the RAFT part starts from a model folder, e.g. of
configs/raft/star.py. Run:
    python train.py --config configs/daflow/flow.py --workdir runs/flow \
        --config.checkpoint.init_from=backbone=runs/lift,flow=runs/star/export/best
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(
        name="optical_flow", iters=12, gamma=0.8, max_flow=400.0, batch_norm="frozen"
    )
    config.model = dict(name="daflow-nano")
    config.optimizer = dict(
        lr=1e-4, schedule="one_cycle", weight_decay=1e-4, clip_norm=1.0, frozen=("backbone/.*",)
    )
    config.data = dict(
        source="host",
        num_workers=0,
        keys=("lq", "hq", "flow", "valid", "weight"),
        scene=dict(frames=3, height=128, width=128, min_shapes=2),
    )
    config.degrade = dict(mode="clip", min_severity=0.0, max_severity=5.5)
    config.train = dict(steps=2000, batch_size=2, steps_per_call=1, max_bad_steps=10)
    config.eval = dict(every=500, batches=8)
    config.checkpoint = dict(every=500, keep=3, init_from="")
    config.mesh = dict(data=-1, fsdp=1)
    config.precision = "p=f32,c=f32"
    config.seed = 2
    config.log = dict(every=50, pictures_every=500, tensorboard=True)
    return config
