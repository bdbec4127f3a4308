"""JFFRA nano on noisy clips of the generator: white noise of 0 to 50 grey levels, blind.

It starts from zero flow and learns the true flow of every level beside the restoration; the fourth
frame of a clip is for the temporal loss. Run:
    python train.py --config configs/jffra/nano.py --workdir runs/jffra_nano
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(
        name="video_restoration", degradation="blind_noise", crop=64, flow=0.05, temporal=0.2
    )
    config.model = dict(name="jffra-nano")
    config.optimizer = dict(lr=1e-3, schedule="cosine", warmup_steps=100, ema_decay=0.999)
    config.data = dict(
        keys=("hq", "flow", "valid", "flow_back", "valid_back"),
        scene=dict(frames=4, height=128, width=160, max_motion=0.12, blur_share=0.0),
    )
    config.train = dict(steps=6000, batch_size=4)
    return config
