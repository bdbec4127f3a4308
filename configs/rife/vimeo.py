"""The paper's RIFE on Vimeo-90K triplets by the published recipe.

First build the set: python -m data.build vimeo_triplet --source vimeo_triplet --out built. The
published training runs 300 epochs of 51,312 triplets at batch 64 (4 GPUs of 16; 240,000 steps) with
crops of 224, rate 3e-4 after 2000 steps of warm-up, decay 1e-3 on all tensors, no clipping. Run:
    python train.py --config configs/rife/vimeo.py:built/vimeo_triplet --workdir runs/rife
"""

import math

import ml_collections


def get_config(folder="built/vimeo_triplet"):
    """Returns the configuration for the set built in `folder`."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="interpolation")
    config.model = dict(name="rife")
    config.optimizer = dict(
        lr=3e-4, schedule="from_zero", warmup_steps=2000, weight_decay=1e-3, clip_norm=math.inf
    )
    config.data = dict(
        name="mixture",
        num_workers=4,
        scene=dict(frames=3, height=224, width=224),
        sources=(dict(kind="built", path=folder, split="train"),),
    )
    config.train = dict(steps=240_000, batch_size=64)
    config.eval = dict(
        every=4000,
        sets=(dict(name="vimeo", kind="built", path=folder, split="test", batches=16),),
    )
    config.log = dict(pictures_every=4000)
    return config
