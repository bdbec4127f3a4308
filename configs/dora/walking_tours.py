"""DoRA with its published values (README and main.py, 0508b2c): one long video, clips of 8 frames.

Run:
    python train.py --config configs/dora/walking_tours.py:data/venice --workdir runs/dora_venice
Frames are 60 apart; 128 clips a step. Published training clips each parameter's gradient at 3.0,
holds the last layer in the first epoch, and raises the decay to 0.4; here the whole gradient is
clipped and the decay stays. Nothing of this file was run here.
"""

import ml_collections

EPOCH = 1500  # steps


def get_config(folder="data/venice"):
    """Returns the configuration for the files in `folder`."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="dora", momentum_steps=100 * EPOCH)
    config.model = dict(name="vit-s16")
    config.optimizer = dict(
        lr=2.5e-4, schedule="cosine", final_lr=1e-5, warmup_steps=10 * EPOCH, weight_decay=0.04,
        clip_norm=3.0, groups=(dict(match=(".*/(bias|scale|gain)",), weight_decay=0.0),),
    )  # fmt: skip
    scene = dict(frames=8, height=720, width=1280)
    sources = (dict(kind="folder", path=folder, degrade=False),)
    config.data = dict(name="mixture", gap=(60, 60), sources=sources, scene=scene, num_workers=8)
    config.train = dict(steps=100 * EPOCH, batch_size=128)
    config.eval = dict(every=10 * EPOCH)
    return config
