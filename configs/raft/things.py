"""RAFT, stage 2 of 4: FlyingThings3D, clean and final by RAFT's published schedule.

Values are those of train_standard.sh in the published code. The built sets stand in data/built,
or in the folder that is the argument. Run, after configs/raft/chairs.py:
    python -m data.build sintel --source MPI-Sintel --out data/built
    python -m data.build things --source FlyingThings3D --out data/built
    python train.py --config configs/raft/things.py --workdir runs/raft_things
Time: the published run took two GPUs; nobody has repeated it with this code.
"""

import ml_collections


def get_config(root="data/built"):
    """Returns the configuration for the built sets in `root`."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow")
    config.model = dict(name="raft")
    config.optimizer = dict(lr=1.25e-4, weight_decay=1e-4)
    things = dict(
        kind="built", path=f"{root}/things", augment="dense", min_scale=-0.4, max_scale=0.8
    )
    sources = tuple(things | dict(split=f"train_{render}") for render in ("clean", "final"))
    config.data = dict(
        name="mixture", num_workers=8, scene=dict(height=400, width=720), sources=sources
    )
    config.degrade = dict(clean_share=1.0, jitter_share=0.0)  # as published: frames as they are
    config.train = dict(steps=100_000, batch_size=6)
    sets = (
        dict(name="sintel_clean", kind="built", path=f"{root}/sintel", split="clean", batches=40),
        dict(name="sintel_final", kind="built", path=f"{root}/sintel", split="final", batches=40),
    )
    config.eval = dict(every=5000, sets=sets)
    config.checkpoint = dict(every=5000, init_from="runs/raft_chairs/export/last")
    config.seed = 1234
    return config
