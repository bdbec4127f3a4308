"""JFFRA of the paper's size for x4 on REDS, small frames made as MATLAB's bicubic makes them (BI).

As configs/jffra/denoise.py, but crops are 64 pixels of the small frames. Build REDS first. Run:
    python train.py --config configs/jffra/x4.py --workdir runs/jffra_x4 \
        --config.data.num_workers=16
"""

from configs.jffra import denoise


def get_config():
    """Returns the configuration."""
    config = denoise.get_config()
    config.task = dict(name="video_restoration", degradation="bi", crop=64, temporal=0.2)
    config.model = dict(name="jffra-x4", start="raft-adaptive")
    config.data.sources = (dict(kind="built", path="built/reds", split="train"),)
    config.data.scene.update(height=704, width=1280)
    return config
