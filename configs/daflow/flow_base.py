"""DA-Flow base, stage 2 with the paper's values (DA-Flow, sec. 5.1): 512x512, batch 32, 20k steps,
5e-5.

The lifted backbone is frozen; the RAFT part starts from a converted raft-things folder. Run:
    python train.py --config configs/daflow/flow_base.py --workdir runs/flow_base \
        --config.mesh.fsdp=4
        --config.checkpoint.init_from=backbone=runs/lift_base,flow=models/raft-things
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(
        name="optical_flow", iters=12, gamma=0.8, max_flow=400.0, batch_norm="frozen"
    )
    backbone = dict(dit=dict(lq_key="hq_twice"))  # as lift_base
    config.model = dict(name="daflow-base", backbone=backbone, flow=dict(lookup="matmul"))
    config.optimizer = dict(
        lr=5e-5, schedule="one_cycle", weight_decay=1e-4, clip_norm=1.0, frozen=("backbone/.*",)
    )
    config.data = dict(
        source="host",  # as lift_base
        num_workers=8,
        keys=("lq", "hq", "flow", "valid", "weight"),
        scene=dict(frames=3, height=512, width=512),
    )
    config.degrade = dict(pipeline="realbasicvsr")
    config.train = dict(steps=20_000, batch_size=32)
    config.eval = dict(every=2000, batches=2)
    config.checkpoint = dict(every=1000, keep=2, init_from="")
    config.mesh = dict(data=-1, fsdp=1)
    config.precision = "p=f32,c=bf16"
    config.seed = 2
    config.log = dict(every=50, pictures_every=1000, tensorboard=True)
    return config
