"""DenseCL at a size that a CPU trains in minutes: two crops of each frame of the generator.

Run:
    python train.py --config configs/densecl/nano.py --workdir runs/densecl
`right` in the log is the share of cells whose nearest cell is within one of the true one.
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(
        name="dense_contrast", hidden=128, features=64, queue=4096, momentum=0.99, crop_size=64
    )
    config.model = dict(name="resnet-nano")
    config.optimizer = dict(
        name="sgd", lr=0.06, schedule="cosine", weight_decay=1e-4, clip_norm=1e9
    )
    config.data = dict(scene=dict(height=96, width=96))
    config.train = dict(steps=4000, batch_size=32)
    config.eval = dict(batches=4)
    config.checkpoint = dict(every=500)
    return config
