"""PooDLe at a size that a CPU trains in minutes, on the generator's pairs with their true flow.

Run:
    python train.py --config configs/poodle/nano.py --workdir runs/poodle
The exported encoder has the spatial decoder; its features are on every fourth pixel.
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(
        name="flow_equivariance", hidden=256, features=64, first_bias=True, every=4,
        validity="relative", pooled=0.5, crops=4, crop_size=32, momentum_steps=4000, color=0.5,
    )  # fmt: skip
    config.model = dict(name="resnet-nano-decoder")
    config.optimizer = dict(
        lr=5e-4, schedule="cosine", warmup_steps=100, weight_decay=1e-2, clip_norm=1e9,
        groups=(dict(match=(".*/(bias|scale)",), weight_decay=0.0),),
    )  # fmt: skip
    config.data = dict(scene=dict(height=96, width=96, still_share=0.0))
    config.train = dict(steps=4000, batch_size=16)
    config.eval = dict(batches=4)
    config.checkpoint = dict(every=500)
    return config
