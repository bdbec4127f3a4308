"""RAFT, stage 3 of 4: Sintel, KITTI 2015, HD1K and FlyingThings3D by RAFT's published schedule.

Values are those of train_standard.sh in the published code. The built sets stand in data/built,
or in the folder that is the argument. Run, after configs/raft/things.py:
    python -m data.build kitti2015 --source KITTI2015 --out data/built
    python -m data.build hd1k --source HD1K --out data/built
    python train.py --config configs/raft/sintel.py --workdir runs/raft_sintel
Time: the published run took two GPUs; nobody has repeated it with this code.
"""

import ml_collections


def get_config(root="data/built"):
    """Returns the configuration for the built sets in `root`."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow", gamma=0.85)
    config.model = dict(name="raft")
    config.optimizer = dict(lr=1.25e-4, weight_decay=1e-5)
    # weights: pairs of each set times its repetitions in the published list
    built = {name: f"{root}/{name}" for name in ("sintel", "kitti2015", "hd1k", "things")}
    dense, sparse = (dict(kind="built", augment=form) for form in ("dense", "sparse"))
    sources = (
        dense | dict(path=built["sintel"], split="clean", weight=100.0 * 1041),
        dense | dict(path=built["sintel"], split="final", weight=100.0 * 1041),
        sparse | dict(path=built["kitti2015"], weight=200.0 * 200, min_scale=-0.3, max_scale=0.5),
        sparse | dict(path=built["hd1k"], weight=5.0 * 1047, min_scale=-0.5, max_scale=0.2),
        dense
        | dict(path=built["things"], split="train_clean", weight=2.0 * 20_151)
        | dict(min_scale=-0.4, max_scale=0.8),
    )
    config.data = dict(
        name="mixture", num_workers=8, scene=dict(height=368, width=768), sources=sources
    )
    config.degrade = dict(clean_share=1.0, jitter_share=0.0)  # as published: frames as they are
    config.train = dict(steps=100_000, batch_size=6)
    sets = (
        dict(name="sintel_final", kind="built", path=built["sintel"], split="final", batches=40),
        dict(name="kitti", kind="built", path=built["kitti2015"], batches=30),
    )
    config.eval = dict(every=5000, sets=sets)  # of frames that are trained on
    config.checkpoint = dict(every=5000, init_from="runs/raft_things/export/last")
    config.seed = 1234
    return config
