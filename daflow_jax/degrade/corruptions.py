"""Single corruptions by name, at severities that mean about the same similarity for each.

Sixteen of RobustSpring's twenty corruptions carry its names. The other four cannot be made honestly
here: fog, rain and snow need the depth of the scene and the path of the camera (a haze or flakes
without them do not move as they should, which is what a flow method sees), frost needs photographs
of ice. Glass, waves and mud are fixed to the lens in a clip, noise is new in each frame.
`elastic_transform` moves the picture, so that the true flow no longer fits where the waves are
steep. Five more: `h264_compression`, `hevc_compression` (its encoder is not in every build of
PyAV), `low_light` (amplified by three quarters of what was lost, as an exponent),
`down_up_scaling`, and `true_motion_blur`, along the pair's own flow, which must be known.

Severity follows RobustSpring's rule, equal SSIM: `corruption_table.TARGETS`, reached on photographs
by `studies/corruptions.py`. Some corruptions end before they reach the last target;
docs/degradations.md has the figures.
"""

import math
from collections.abc import Callable

import numpy as np

from daflow_jax.degrade import corruption_table
from daflow_jax.degrade.chains import Step

SPATTER_SCALE, WAVE_SCALE = 5.0, 10.0  # [choice] pixels
FULL_WELL, GAIN = 10000.0, 0.75  # [choice] of low light: photons at white, share amplified back


def _motion(knob: float, rng: np.random.Generator) -> list[Step]:
    return [("motion_blur", {"length": knob, "theta": float(rng.uniform(0, math.pi))})]


def _one(operator: str, parameter: str) -> Callable[..., list[Step]]:
    return lambda knob, rng: [(operator, {parameter: knob})]


def _video(name: str) -> Callable[..., list[Step]]:
    return lambda knob, rng: [("codec", {"name": name, "crf": int(round(knob))})]


def _resized(way_back: str) -> Callable[..., list[Step]]:
    back = ("back", {"mode": way_back})
    return lambda knob, rng: [("down", {"factor": knob, "mode": "area"}), back]


# name -> function(knob, rng) -> steps; the knob is what `corruption_table.KNOBS` holds
_STEPS: dict[str, Callable[..., list[Step]]] = {
    "defocus_blur": _one("disc_blur", "radius"),
    "gaussian_blur": lambda knob, rng: [("blur", {"sigma_x": knob, "sigma_y": knob})],
    "glass_blur": lambda knob, rng: [("glass_blur", {"reach": knob, "sigma": 0.3 * knob})],
    "motion_blur": _motion,
    "zoom_blur": _one("zoom_blur", "share"),
    "brightness": _one("brightness", "lift"),
    "contrast": _one("contrast", "share"),
    "saturate": _one("saturate", "factor"),
    "gaussian_noise": _one("gaussian_noise", "sigma"),
    "impulse_noise": _one("impulse_noise", "share"),
    "shot_noise": _one("photons", "full_well"),
    "speckle_noise": _one("speckle_noise", "sigma"),
    "elastic_transform": lambda knob, rng: [("elastic", {"reach": knob, "scale": WAVE_SCALE})],
    "jpeg_compression": lambda knob, rng: [("jpeg", {"quality": int(round(knob))})],
    "pixelate": _resized("nearest"),
    "spatter": lambda knob, rng: [("spatter", {"share": knob, "scale": SPATTER_SCALE})],
    "h264_compression": _video("libx264"),
    "hevc_compression": _video("libx265"),
    "low_light": lambda knob, rng: [
        ("lowlight", {"light": knob, "full_well": FULL_WELL, "gain": GAIN})
    ],
    "down_up_scaling": _resized("bicubic"),
    "true_motion_blur": _one("flow_blur", "shutter"),
}
NAMES = tuple(_STEPS)
# what takes detail everywhere, leaves every point in its place and needs no flow to be made
_OTHER = ("brightness", "contrast", "saturate", "spatter", "elastic_transform", "true_motion_blur")
DETAIL = tuple(name for name in NAMES if name not in _OTHER)


def steps(name: str, severity: float | int, rng: np.random.Generator) -> tuple[Step, ...]:
    """Returns the steps of corruption `name` at `severity` 1..5, linear between."""
    return with_knob(name, _at(corruption_table.KNOBS[name], severity), rng)


def with_knob(name: str, knob: float | int, rng: np.random.Generator) -> tuple[Step, ...]:
    """Returns the steps of corruption `name` at a strength in its own unit."""
    return tuple(_STEPS[name](float(knob), rng))


def strength(name: str, severity: float | int) -> float:
    """Returns the strength (see `published.graded`) of a published pipeline at a severity 1..5."""
    return _at(corruption_table.STRENGTHS[name], severity)


def _at(values: tuple[float, ...], severity: float | int) -> float:
    return float(np.interp(severity, np.arange(1, 6), values))
