"""PWC-Net on FlyingChairs, its first stage.

Published values (PWC-Net, sec. 4, and the released solver): Adam at 1e-4, halved at 400, 600, 800,
1000 and 1200 thousand steps, decay 4e-4 in the gradient of weights alone, 8 crops of 384 x 448.
RAFT's augmentation stands in for that of FlowNet2. Later stages take the robust loss:
--config.task.objective=pwcnet_robust --config.checkpoint.init_from=runs/pwcnet_chairs/export/last.

The built set stands in data/built, or in the folder that is the argument. Run:
    python -m data.build chairs --source FlyingChairs_release --out data/built
    python train.py --config configs/pwcnet/chairs.py --workdir runs/pwcnet_chairs
Time: nobody has repeated the published run with this code.
"""

import math

import ml_collections


def get_config(root="data/built"):
    """Returns the configuration for the built set in `root`."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow")
    config.model = dict(name="pwcnet")
    config.optimizer = dict(
        lr=1e-4,
        name="adam",
        schedule="halved",
        halve_at=(400_000, 600_000, 800_000, 1_000_000, 1_200_000),
        weight_decay=4e-4,
        clip_norm=math.inf,
        groups=(dict(match=(".*/bias",), weight_decay=0.0),),
    )
    sources = (
        dict(kind="built", path=f"{root}/chairs", augment="dense", min_scale=-0.1, max_scale=1.0),
    )
    config.data = dict(
        name="mixture", num_workers=8, scene=dict(height=384, width=448), sources=sources
    )
    config.degrade = dict(clean_share=1.0, jitter_share=0.0)  # as published: frames as they are
    config.train = dict(steps=1_200_000, batch_size=8)
    val = dict(name="chairs", kind="built", path=f"{root}/chairs", split="val", batches=64)
    config.eval = dict(every=5000, sets=(val,))
    config.checkpoint = dict(every=5000)
    return config
