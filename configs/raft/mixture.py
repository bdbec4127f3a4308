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
    config.task = dict(name="optical_flow")
    config.model = dict(name="raft-small")
    config.optimizer = dict(lr=1e-4, weight_decay=1e-5)
    config.data = dict(
        name="mixture",
        num_workers=2,
        scene=dict(height=288, width=384, max_shapes=9),
        sources=(  # scales are RAFT's of Sintel by default; augment="sparse" for KITTI and HD1K
            dict(kind="folder", path=folder, weight=0.5, augment="dense"),
            dict(kind="synthetic", weight=0.5),
        ),
    )
    config.train = dict(steps=1500, batch_size=2)
    config.eval = dict(every=400)
    config.checkpoint = dict(every=200)
    config.log = dict(pictures_every=500)
    return config
