"""The training mixture: how uniform numbers become the parameters of one degradation.

Written for numpy and jax.numpy alike, so that the host and the accelerator draw from one
distribution. All of it is our own choice, made so that severity s of the fixed recipe
"combined" lies in the middle of what is drawn at s.
"""

from typing import Any, NamedTuple

import numpy as np

NUM_UNIFORM = 20
_KNOTS = (0.0, 3.0, 5.0, 7.0)
_SIGMA, _FACTOR = (0.0, 1.2, 2.0, 2.8), (1.0, 2.5, 4.0, 6.0)
_NOISE, _QUALITY = (0.0, 15.0, 25.0, 40.0), (95.0, 40.0, 25.0, 12.0)


class Parameters(NamedTuple):
    """One degradation; a switched-off operator has its neutral value."""

    sigma_x: Any  # pixels, 0 = no blur
    sigma_y: Any
    factor: Any  # down-scaling, 1 = none
    area: Any  # bool: area, else bilinear down-scaling
    noise: Any  # deviation of 255 in the small picture, 0 = none
    shot: Any  # variance of 255^2 that grows with the brightness, 0 = none
    gray: Any  # bool: one noise field for the three channels
    quality: Any  # JPEG 1..100, > 100 = none
    light: Any  # share of the light, 1 = daylight
    gain: Any  # how much of the lost light is amplified back, as an exponent in [0, 1]


def chain(severity: Any, xp: Any = np) -> tuple[Any, Any, Any, Any]:
    """Returns blur sigma, scale factor, noise sigma and JPEG quality of the recipe "combined".

    Severity 3 is (1.2, 2.5, 15, 40), 5 is (2.0, 4, 25, 25), between and beyond piecewise linear.
    """
    knots = xp.asarray(_KNOTS)
    return tuple(
        xp.interp(severity, knots, xp.asarray(values))
        for values in (_SIGMA, _FACTOR, _NOISE, _QUALITY)
    )


def draw(u: Any, low: Any, high: Any, xp: Any = np) -> Parameters:
    """Returns parameters from uniform numbers `u` (20,) for a severity between `low` and `high`.

    Each operator has a severity of its own about the common one (0.5 to 1.35 times) and is missing
    in one clip of six, so that no operator predicts another.
    """
    severity = low + (high - low) * u[0]
    own = [severity * (0.5 + 0.85 * u[1 + i]) for i in range(4)]
    sigma, factor, noise, quality = (chain(s, xp)[i] for i, s in enumerate(own))
    on = [u[5 + i] > 1 / 6 for i in range(4)]
    stretch = xp.exp((u[9] - 0.5) * 1.2)
    sigma = xp.where(on[0], sigma, 0.0)
    noise = xp.where(on[2], noise, 0.0)
    is_shot = u[10] < 0.4
    dark = u[11] < 0.1
    return Parameters(
        sigma_x=sigma * stretch,
        sigma_y=sigma / stretch,
        factor=xp.where(on[1], factor, 1.0),
        area=u[12] < 0.6,
        noise=xp.where(is_shot, 0.3 * noise, noise),
        shot=xp.where(is_shot, 2.0 * noise * noise, 0.0),
        gray=u[13] < 0.3,
        quality=xp.where(on[3], xp.round(quality), 101.0),
        light=xp.where(dark, xp.exp(-u[14] * 0.22 * severity), 1.0),
        gain=u[15],
    )
