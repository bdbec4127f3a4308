"""A small GMFlow on degraded clips of our own generator.

Run:
    python train.py --config configs/gmflow/nano.py --workdir runs/gmflow_nano \
        --config.data.num_workers=2
The published losses and a size that a CPU trains; the numbers are choices, not published ones.
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow", gamma=0.9)
    config.model = dict(name="gmflow-nano")
    config.optimizer = dict(lr=4e-4)
    config.data = dict(scene=dict(max_shapes=9))
    config.train = dict(steps=20_000, batch_size=8)
    return config
