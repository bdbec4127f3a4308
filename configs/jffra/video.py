"""JFFRA nano on this project's own mixture of degradations: blur, noise, compression, small sizes.

As configs/jffra/nano.py, on clips that are degraded like old video, for `daflow restore`. Run:
    python train.py --config configs/jffra/video.py --workdir runs/jffra_video
"""

from configs.jffra import nano


def get_config():
    """Returns the configuration."""
    config = nano.get_config()
    config.task.degradation = "given"
    config.data["keys"] = ("lq", *config.data["keys"])
    config.degrade = dict(max_severity=4.0, codec_share=0.4, clean_share=0.1, jitter_share=0.0)
    return config
