"""SEA-RAFT S on clips of our own generator: the published recipe at the size of one machine.

Published values where they do not depend on the data (SEA-RAFT's TartanAir stage): 4 iterations,
gamma 0.85, rate 4e-4, decay 1e-5, batch norm trained; crop, batch and steps are smaller, and the
encoders start from Kaiming's rule instead of ImageNet weights. Run:
    python train.py --config configs/sea_raft/small.py --workdir runs/sea_raft \
        --config.data.num_workers=4
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow", iters=4, gamma=0.85, max_flow=400.0, batch_norm="train")
    config.model = dict(name="sea-raft-s", lookup="matmul")
    config.optimizer = dict(lr=4e-4, schedule="one_cycle", weight_decay=1e-5, clip_norm=1.0)
    config.data = dict(
        source="host",
        num_workers=0,
        keys=("lq", "hq", "flow", "valid", "weight"),
        scene=dict(frames=2, height=288, width=384, max_shapes=9),
    )
    config.degrade = dict(mode="clip", min_severity=0.0, max_severity=5.5)
    config.train = dict(steps=100_000, batch_size=8, steps_per_call=1, max_bad_steps=10)
    config.eval = dict(every=2000, batches=8)
    config.checkpoint = dict(every=1000, keep=3, init_from="")
    config.mesh = dict(data=-1, fsdp=1)
    config.precision = "p=f32,c=f32"
    config.seed = 0
    config.log = dict(every=50, pictures_every=500, tensorboard=True)
    return config
