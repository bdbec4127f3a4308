"""DenseCL with its published values for COCO (configs/selfsup/densecl): 800 epochs, batch 256.

Run on a folder of pictures:
    python train.py --config configs/densecl/coco.py:data/coco --workdir runs/densecl_coco
Published training ran on 8 GPUs; nothing of this file was run here.
"""

import ml_collections

EPOCH = 458  # steps of 256 of the 117,266 pictures


def get_config(folder="data/coco"):
    """Returns the configuration for the files in `folder`."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="dense_contrast")
    config.model = dict(name="resnet50")
    config.optimizer = dict(name="sgd", lr=0.3, schedule="cosine", weight_decay=1e-4, clip_norm=1e9)
    scene = dict(frames=2, height=320, width=320)
    sources = (dict(kind="folder", path=folder, degrade=False),)
    config.data = dict(name="mixture", sources=sources, scene=scene, num_workers=8)
    config.train = dict(steps=800 * EPOCH, batch_size=256)
    config.eval = dict(every=10 * EPOCH)
    return config
