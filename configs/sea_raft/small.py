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
    config.task = dict(name="optical_flow", iters=4, gamma=0.85, batch_norm="train")
    config.model = dict(name="sea-raft-s", lookup="matmul")
    config.optimizer = dict(lr=4e-4, weight_decay=1e-5)
    config.data = dict(scene=dict(height=288, width=384, max_shapes=9))
    config.train = dict(steps=100_000, batch_size=8)
    config.eval = dict(every=2000)
    config.log = dict(pictures_every=500)
    return config
