"""RIFE_m on a folder of videos or frames: five neighbours a clip, any of the inner ones learned.

The folder is the argument; it may also be pictures, one folder a clip. Run:
    python train.py --config configs/rife/videos.py:clips --workdir runs/rife_videos \
        --config.checkpoint.init_from=models/rife-m
"""

import math

import ml_collections


def get_config(folder="clips"):
    """Returns the configuration for the clips in `folder`."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="interpolation", distill=0.005)
    config.model = dict(name="rife-m")
    config.optimizer = dict(
        lr=1e-4, schedule="from_zero", warmup_steps=500, weight_decay=1e-3, clip_norm=math.inf
    )
    config.data = dict(
        name="mixture",
        num_workers=4,
        scene=dict(frames=5, height=224, width=224),
        sources=(dict(kind="folder", path=folder, layout="video_folder"),),
    )
    config.train = dict(steps=20_000, batch_size=16)
    return config
