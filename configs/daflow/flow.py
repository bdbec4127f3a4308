"""DA-Flow nano, stage 2: flow on the frozen lifted features (DA-Flow, sec. 4.4).

Order: restore -> lift -> flow; the RAFT part starts from a model folder, here that of
configs/raft/star.py. Run:
    python train.py --config configs/daflow/flow.py --workdir runs/flow
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow")
    config.model = dict(name="daflow-nano")
    config.optimizer = dict(lr=1e-4, frozen=("backbone/.*",))
    config.data = dict(scene=dict(frames=3, height=128, width=128))
    config.train = dict(steps=2000, batch_size=2)
    config.eval = dict(every=500)
    config.checkpoint = dict(every=500, init_from="backbone=runs/lift,flow=runs/star/export/best")
    config.seed = 2
    config.log = dict(pictures_every=500)
    return config
