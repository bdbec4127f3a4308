"""RIFE nano: frames at any time, 1.7 M parameters, on the generator's clips and photographs.

The clips are scenes of scikit-image's photographs (and of procedural textures) that move, with
exact inner frames: of five frames the ends are shown and one between them is learned. Speeds are a
quarter of the generator's own, since four steps lie between the ends. Published recipe but for the
rate, crop, batch and steps, which suit one machine. Run:
    python train.py --config configs/rife/nano.py --workdir runs/rife_nano
"""

import math

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="interpolation", distill=0.005)  # RIFE_m's weight
    config.model = dict(name="rife-nano")
    config.optimizer = dict(
        lr=6e-4, schedule="from_zero", warmup_steps=300, weight_decay=1e-3, clip_norm=math.inf,
        ema_decay=0.999,
    )  # fmt: skip
    config.data = dict(
        num_workers=1,
        scene=dict(
            frames=5, height=128, width=128, max_shapes=6, max_motion=0.06, min_motion=0.1,
            rotation=0.04, scale=0.03, illumination=0.01,
        ),
    )  # fmt: skip
    config.train = dict(steps=12_000, batch_size=8)
    config.checkpoint = dict(every=500)
    config.log = dict(pictures_every=2000)
    return config
