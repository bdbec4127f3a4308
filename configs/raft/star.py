"""RAFT*: RAFT-small on degraded clips, without diffusion features; the baseline of every
comparison.

A finetune from a folder of converted weights (daflow convert weights); without init_from it trains
from scratch, which wants --config.optimizer.lr=4e-4 and many more steps. Run:
    python train.py --config configs/raft/star.py --workdir runs/star \
        --config.checkpoint.init_from=models/raft-small
With --config.model.uncertainty=True it also learns how unsure it is of each pixel (a mixture of two
Laplace distributions, as in SEA-RAFT; `daflow eval` then reports AUSE). The head starts new; with
--config.optimizer.train=uncertainty it learns alone, and no flow changes.
About 1.3 pairs a second on two cores.
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(
        name="optical_flow", iters=12, gamma=0.8, max_flow=400.0, batch_norm="frozen"
    )
    config.model = dict(name="raft-small")
    config.optimizer = dict(lr=1e-4, schedule="one_cycle", weight_decay=1e-5, clip_norm=1.0)
    config.data = dict(
        source="host",
        num_workers=0,
        keys=("lq", "hq", "flow", "valid", "weight"),
        scene=dict(frames=2, height=288, width=384, max_shapes=9),
    )
    config.degrade = dict(mode="clip", min_severity=0.0, max_severity=5.5)
    config.train = dict(steps=1500, batch_size=2, steps_per_call=1, max_bad_steps=10)
    config.eval = dict(every=400, batches=8)
    config.checkpoint = dict(every=200, keep=3, init_from="")
    config.mesh = dict(data=-1, fsdp=1)
    config.precision = "p=f32,c=f32"
    config.seed = 3
    config.log = dict(every=50, pictures_every=500, tensorboard=True)
    return config
