"""RAFT, stage 1 of 4: FlyingChairs by RAFT's published schedule.

Values are those of train_standard.sh in the published code. The built sets stand in data/built,
or in the folder that is the argument. Run:
    python -m data.build chairs --source FlyingChairs_release --out data/built
    python train.py --config configs/raft/chairs.py --workdir runs/raft_chairs
Time: the published run took two GPUs; nobody has repeated it with this code.
"""

import ml_collections


def get_config(root="data/built"):
    """Returns the configuration for the built sets in `root`."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow", batch_norm="train")
    config.model = dict(name="raft")
    config.optimizer = dict(lr=4e-4, weight_decay=1e-4)
    sources = (
        dict(kind="built", path=f"{root}/chairs", augment="dense", min_scale=-0.1, max_scale=1.0),
    )
    config.data = dict(
        name="mixture", num_workers=8, scene=dict(height=368, width=496), sources=sources
    )
    config.degrade = dict(clean_share=1.0, jitter_share=0.0)  # as published: frames as they are
    config.train = dict(steps=100_000, batch_size=10)
    val = dict(name="chairs", kind="built", path=f"{root}/chairs", split="val", batches=64)
    config.eval = dict(every=5000, sets=(val,))
    config.checkpoint = dict(every=5000)
    config.seed = 1234
    return config
