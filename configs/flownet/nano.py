"""A small FlowNetC on degraded clips of our own generator.

Run:
    python train.py --config configs/flownet/nano.py --workdir runs/flownet_nano \
        --config.data.num_workers=2
The published losses and a size that a CPU trains; the numbers are choices, not published ones.
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow")
    config.model = dict(name="flownet-nano")
    config.optimizer = dict(
        lr=3e-4, name="adam", schedule="cosine", warmup_steps=500, weight_decay=0.0
    )
    config.data = dict(scene=dict(max_shapes=9))
    config.train = dict(steps=20_000, batch_size=8)
    return config
