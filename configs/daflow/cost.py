"""RAFT-small with a second cost volume of averaged windows, on degraded clips.

The start is a model folder that `python -m studies.features train OUT --raft models/raft-small`
leaves at OUT/start/windows: the published RAFT, principal directions found from clips, and an input
of the second volume that is zero, so that step 0 is that RAFT. Run:
    python train.py --config configs/daflow/cost.py --workdir runs/cost \
        --config.checkpoint.init_from=OUT/start/windows
With --config.optimizer.train=second only the volume's own parameters learn; with a trunk
(config.model.trunk), --config.optimizer.train=flow leaves the trunk as it is.
Time: 0.9 s a step of one clip on one core.
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow", iters=8)
    config.model = dict(name="daflow-cost-windows", flow=dict(lookup="matmul"))
    config.optimizer = dict(lr=1e-4, weight_decay=1e-5)
    config.data = dict(scene=dict(frames=3, max_shapes=9))
    config.degrade = dict(clean_share=0.15)
    config.train = dict(steps=5000, batch_size=1)
    config.checkpoint = dict(every=250)
    config.seed = 5
    config.log = dict(pictures_every=0)
    return config
