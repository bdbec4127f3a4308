"""Guess What Moves with the published settings: a frame and its flow, clipped to 20 pixels.

It reads the 90 clips of DAVIS 2017 trainval (published: DAVIS 2016, 50 clips). Convert RAFT's
weights to models/raft first. Run:
    python train.py --config configs/guess_what_moves/davis.py --workdir runs/gwm_davis
The backbone's published weights (DINO, ViT-B/8) cannot be converted here: it begins as drawn, or
from a folder, --config.checkpoint.init_from="flow=models/raft,masks/backbone=DIR". Flow is found in
the step; the published runs read RAFT's at gaps of 1 and 2 frames in both directions (FBMS-59: 3
and 6).
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="motion_segmentation", flow_from="network", iters=20)
    config.model = dict(name="maskformer-gwm")
    config.networks = dict(flow=dict(name="raft"))
    config.optimizer = dict(
        lr=1.5e-4, schedule="cosine", warmup_steps=1500, weight_decay=0.01, clip_norm=0.01,
        frozen=("flow/.*",),
        groups=(dict(match=(".*/(scale|places|positions|class_.*)",), weight_decay=0.0),),
    )  # fmt: skip
    config.data = dict(
        name="mixture",
        sources=(dict(kind="folder", path="data/DAVIS", layout="davis:train"),),
        scene=dict(height=128, width=224),
        gap=(1, 2),
        keys=("hq",),
    )
    config.checkpoint = dict(init_from="flow=models/raft")
    config.train = dict(steps=20_000, batch_size=8)
    return config
