"""The steps of the named recipes, and of the random degradations of training."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from daflow_jax.degrade import mixture

Step = tuple[str, Mapping[str, Any]]  # operator and its parameters
NAMES = ("blur", "noise", "jpeg", "h264", "lowres", "lowlight", "combined", "mixed")
ALIASES = {"calibration": "combined"}  # recorded files and command lines still name it


def fixed(name: str, severity: float) -> tuple[Step, ...]:
    """Returns the steps of a recipe that is not random."""
    if name == "combined":
        return _combined(severity)
    if name == "blur":
        sigma = 0.6 * severity
        return (("blur", {"sigma_x": sigma, "sigma_y": sigma}),)
    if name == "noise":
        return (("gaussian_noise", {"sigma": 10.0 * severity}),)
    if name == "jpeg":
        return (("jpeg", {"quality": int(round(70 * 0.6 ** (severity - 1)))}),)
    if name == "h264":
        return (("codec", {"name": "libx264", "crf": int(round(24 + 4.5 * severity))}),)
    if name == "lowres":
        return (("down", {"factor": 1.0 + severity, "mode": "area"}), ("back", {"mode": "bicubic"}))
    light = {"light": 0.5**severity, "full_well": 600.0, "gain": 0.75}
    return (("lowlight", light), ("gaussian_noise", {"sigma": 1.5 * severity}))


def _combined(severity: float) -> tuple[Step, ...]:
    sigma, factor, noise, quality = (float(v) for v in mixture.chain(severity))
    return (
        ("blur", {"sigma_x": sigma, "sigma_y": sigma}),
        ("down", {"factor": factor, "mode": "area"}),
        ("gaussian_noise", {"sigma": noise}),
        ("jpeg", {"quality": int(round(quality))}),
        ("back", {"mode": "bicubic"}),
    )


def sample(
    rng: np.random.Generator, span: tuple[float | int, float | int], codec_share: float | int
) -> tuple[Step, ...]:
    """Returns the steps of one random degradation of the training mixture.

    `span` is the smallest and the largest severity.
    """
    u = rng.random(mixture.NUM_UNIFORM)
    steps = parameter_steps(mixture.draw(u, *span))
    extra = rng.random(5)
    severity = span[0] + (span[1] - span[0]) * u[0]
    if extra[0] < codec_share:
        if extra[1] < 0.6:
            params = {"name": "libx264", "crf": int(round(20 + (2 + 4 * extra[2]) * severity))}
        else:
            params = {"name": "mpeg4", "kbit_per_frame": float(60 * math.exp(-0.7 * severity))}
        steps = [*steps, ("codec", params)]
    if extra[3] < 0.1:
        shake = {"length": float(1 + 2.5 * severity * extra[4]), "theta": float(math.pi * extra[1])}
        steps = [("motion_blur", shake), *steps]
    return tuple(steps)


def parameter_steps(p: mixture.Parameters) -> list[Step]:
    """Returns the steps of drawn parameters: dark, blur, down, noise, JPEG, back."""
    p = mixture.Parameters(*(v.item() for v in (np.asarray(v) for v in p)))
    steps: list[Step] = []
    if p.light < 1:
        dark = {"light": p.light, "full_well": 1000.0, "gain": p.gain}
        steps.append(("lowlight", dark))
    if p.sigma_x > 0.05:
        steps.append(("blur", {"sigma_x": p.sigma_x, "sigma_y": p.sigma_y}))
    if p.factor > 1:
        steps.append(("down", {"factor": p.factor, "mode": "area" if p.area else "bilinear"}))
    if p.noise > 0:
        steps.append(("gaussian_noise", {"sigma": p.noise, "gray": p.gray}))
    if p.shot > 0:
        # Real-ESRGAN's shot noise with 256 levels has a variance of scale^2 * 255 * value.
        steps.append(("poisson_noise", {"scale": (p.shot / 255) ** 0.5, "gray": p.gray}))
    if p.quality <= 100:
        steps.append(("jpeg", {"quality": int(p.quality)}))
    return [*steps, ("back", {"mode": "bicubic"})] if p.factor > 1 else steps
