"""GMFlow with refinement on FlyingChairs, its first stage.

Published values (GMFlow, sec. 4): AdamW at 4e-4, decay 1e-4, 16 crops of 384 x 512, 100 thousand
steps, weights 0.9 of earlier predictions. The released training starts the refinement from the
weights of the network without it; this one starts both together.

The built set stands in data/built, or in the folder that is the argument. Run:
    python -m data.build chairs --source FlyingChairs_release --out data/built
    python train.py --config configs/gmflow/chairs.py --workdir runs/gmflow_chairs
Time: nobody has repeated the published run with this code.
"""

import ml_collections


def get_config(root="data/built"):
    """Returns the configuration for the built set in `root`."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow", gamma=0.9)
    config.model = dict(name="gmflow")
    config.optimizer = dict(lr=4e-4)
    sources = (
        dict(kind="built", path=f"{root}/chairs", augment="dense", min_scale=-0.1, max_scale=1.0),
    )
    config.data = dict(
        name="mixture", num_workers=8, scene=dict(height=384, width=512), sources=sources
    )
    config.degrade = dict(clean_share=1.0, jitter_share=0.0)  # as published: frames as they are
    config.train = dict(steps=100_000, batch_size=16)
    val = dict(name="chairs", kind="built", path=f"{root}/chairs", split="val", batches=64)
    config.eval = dict(every=5000, sets=(val,))
    config.checkpoint = dict(every=5000)
    return config
