"""RAFT* on a mixture: half real pairs from a folder, half scenes of the generator.

The folder is the argument: a pairs folder, or any data set that `daflow eval --layout` knows. A
built set is dict(kind="built", path="OUT/NAME", split="train", ...). Run:
    python train.py --config configs/raft/mixture.py:data/pairs --workdir runs/mixture \
        --config.checkpoint.init_from=models/raft-small
"""

import ml_collections


def get_config(folder="data/pairs"):
    """Returns the configuration for the pairs in `folder`."""
    config = ml_collections.ConfigDict()
    config.task = dict(
        name="optical_flow", iters=12, gamma=0.8, max_flow=400.0, batch_norm="frozen"
    )
    config.model = dict(name="raft-small")
    config.optimizer = dict(lr=1e-4, schedule="one_cycle", weight_decay=1e-5, clip_norm=1.0)
    config.data = dict(
        name="mixture",
        source="host",
        num_workers=2,
        keys=("lq", "hq", "flow", "valid", "weight"),
        scene=dict(frames=2, height=288, width=384, max_shapes=9),
        sources=(
            # scales of RAFT's Sintel stage; augment="sparse" for KITTI and HD1K
            dict(
                kind="folder", path=folder, weight=0.5, augment="dense",
                min_scale=-0.2, max_scale=0.6,
            ),
            dict(kind="synthetic", weight=0.5),
        ),
    )  # fmt: skip
    config.degrade = dict(mode="clip", min_severity=0.0, max_severity=5.5)
    config.train = dict(steps=1500, batch_size=2, steps_per_call=1, max_bad_steps=10)
    config.eval = dict(every=400, batches=8)
    config.checkpoint = dict(every=200, keep=3, init_from="")
    config.mesh = dict(data=-1, fsdp=1)
    config.precision = "p=f32,c=f32"
    config.seed = 0
    config.log = dict(every=50, pictures_every=500, tensorboard=True)
    return config
