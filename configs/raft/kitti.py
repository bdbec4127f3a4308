"""RAFT, stage 4 of 4: KITTI 2015 by RAFT's published schedule.

Values are those of train_standard.sh in the published code. The built sets stand in data/built,
or in the folder that is the argument. Run, after configs/raft/sintel.py:
    python train.py --config configs/raft/kitti.py --workdir runs/raft_kitti
Time: the published run took two GPUs; nobody has repeated it with this code.
"""

import ml_collections


def get_config(root="data/built"):
    """Returns the configuration for the built sets in `root`."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow", gamma=0.85)
    config.model = dict(name="raft")
    config.optimizer = dict(lr=1e-4, weight_decay=1e-5)
    kitti = dict(kind="built", path=f"{root}/kitti2015")
    sources = (kitti | dict(augment="sparse", min_scale=-0.2, max_scale=0.4, flip=False),)
    config.data = dict(
        name="mixture", num_workers=8, scene=dict(height=288, width=960), sources=sources
    )
    config.degrade = dict(clean_share=1.0, jitter_share=0.0)  # as published: frames as they are
    config.train = dict(steps=50_000, batch_size=6)
    config.eval = dict(every=5000, sets=(kitti | dict(name="kitti", batches=34),))  # trained on
    config.checkpoint = dict(every=5000, init_from="runs/raft_sintel/export/last")
    config.seed = 1234
    return config
