"""FlowNetS on FlyingChairs; FlowNetC by --config.model.name=flownet-c.

Published values (FlowNet, sec. 5.2; the loss is that of FlowNet2's PyTorch code): Adam at 1e-4,
halved every 100 thousand steps after the first 300 thousand, no decay, 8 pairs. The crop is
smaller than the paper's whole frames, since sides are multiples of 64. RAFT's augmentation stands
in for the published one.

The built set stands in data/built, or in the folder that is the argument. Run:
    python -m data.build chairs --source FlyingChairs_release --out data/built
    python train.py --config configs/flownet/chairs.py --workdir runs/flownet_chairs
Time: nobody has repeated the published run with this code.
"""

import math

import ml_collections


def get_config(root="data/built"):
    """Returns the configuration for the built set in `root`."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow")
    config.model = dict(name="flownet-s")
    config.optimizer = dict(
        lr=1e-4,
        name="adam",
        schedule="halved",
        halve_at=(300_000, 400_000, 500_000),
        weight_decay=0.0,
        clip_norm=math.inf,
    )
    sources = (
        dict(kind="built", path=f"{root}/chairs", augment="dense", min_scale=-0.1, max_scale=1.0),
    )
    config.data = dict(
        name="mixture", num_workers=8, scene=dict(height=320, width=448), sources=sources
    )
    config.degrade = dict(clean_share=1.0, jitter_share=0.0)  # as published: frames as they are
    config.train = dict(steps=600_000, batch_size=8)
    val = dict(name="chairs", kind="built", path=f"{root}/chairs", split="val", batches=64)
    config.eval = dict(every=5000, sets=(val,))
    config.checkpoint = dict(every=5000)
    return config
