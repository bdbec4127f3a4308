"""The gate of an adaptive RAFT: how degraded a clip looks. Nothing else is trained.

The network and the change of its weights are there already (`studies.adaptive join`). Run:
    python train.py --config configs/adaptive_flow/gate.py --workdir runs/gate \
        --config.checkpoint.init_from=runs/adaptive
Time: 0.5 to 1 s a step on one core.
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="degradation")
    config.model = dict(name="raft-adaptive")
    config.optimizer = dict(lr=2e-3, schedule="cosine", train="gate")
    config.data = dict(keys=("lq", "hq"), num_workers=1, scene=dict(height=128, width=128))
    config.degrade = dict(
        min_severity=0.8, codec_share=0.4, single_share=0.4, clean_share=0.0, jitter_share=0.0
    )
    config.train = dict(steps=1500, batch_size=8)
    config.checkpoint = dict(every=200)
    config.log = dict(pictures_every=0)
    return config
