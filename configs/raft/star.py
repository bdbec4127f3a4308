"""RAFT*: RAFT-small on degraded clips, without diffusion features; the baseline of every
comparison.

A finetune from a folder of converted weights (daflow convert weights); without init_from it trains
from scratch, which wants --config.optimizer.lr=4e-4 and many more steps. Run:
    python train.py --config configs/raft/star.py --workdir runs/star \
        --config.checkpoint.init_from=models/raft-small
With --config.model.uncertainty=True it also learns how unsure it is of each pixel (a mixture of two
Laplace distributions, as in SEA-RAFT; `daflow eval` then reports AUSE). The head starts new; with
--config.optimizer.train=uncertainty it learns alone, and no flow changes.
Time: about 1.3 pairs a second on two cores.
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow")
    config.model = dict(name="raft-small")
    config.optimizer = dict(lr=1e-4, weight_decay=1e-5)
    config.data = dict(scene=dict(height=288, width=384, max_shapes=9))
    config.train = dict(steps=1500, batch_size=2)
    config.eval = dict(every=400)
    config.checkpoint = dict(every=200)
    config.seed = 3
    config.log = dict(pictures_every=500)
    return config
