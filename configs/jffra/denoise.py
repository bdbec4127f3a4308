"""JFFRA of the paper's size on DAVIS with white noise of 0 to 50 grey levels, its level known.

Published: window 3, batch 48, 700,000 steps, Adam, temporal loss 0.2. Not published and so chosen
here: rate, halving (a cosine), crop and betas, as VRT's code has them. The start flow is that of a
RAFT for degraded frames that stays as it is, found on whole frames. Build DAVIS first
(data/README.md). Run:
    python train.py --config configs/jffra/denoise.py --workdir runs/jffra_denoise \
        --config.data.num_workers=16
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="video_restoration", crop=192, temporal=0.2)
    config.model = dict(name="jffra", noise_map=True, start="raft-adaptive")
    config.optimizer = dict(
        lr=2e-4, schedule="cosine", beta2=0.99, weight_decay=0.0, train="restorer"
    )
    config.checkpoint = dict(init_from="start=raft-degraded")
    config.data = dict(
        name="mixture",
        sources=(dict(kind="built", path="built/davis", split="train"),),
        keys=("hq",),
        scene=dict(frames=4, height=448, width=832),
    )
    config.train = dict(steps=700_000, batch_size=48)
    config.precision = "bf16_mixed"
    return config
