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
    config.data = dict(scene=dict(height=192, width=256, max_shapes=9))
    config.train = dict(steps=20_000, batch_size=8)
    config.eval = dict(every=1000)
    config.log = dict(pictures_every=1000)
    return config
