"""The change of an adaptive RAFT's weights, on degraded clips; the network and its gate stay.

The weights for clean frames are not touched, so nothing is forgotten and few clips need be clean.
Clips are estimated at half their size first, as in configs/raft/star_large.py. Run:
    python train.py --config configs/adaptive_flow/change.py --workdir runs/change \
        --config.checkpoint.init_from=runs/adaptive
"""

import ml_collections

from configs.raft import star_large


def get_config():
    """Returns the configuration."""
    config = star_large.get_config()
    config.model = dict(name="raft-adaptive")
    config.optimizer = ml_collections.ConfigDict(
        dict(lr=1e-4, schedule="cosine", warmup_steps=50, train="change", ema_decay=0.99)
    )
    config.degrade = dict(min_severity=0.8, clean_share=0.05, codec_share=0.35)
    return config
