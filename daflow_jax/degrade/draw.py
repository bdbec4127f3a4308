"""How uniform numbers become the parameters of a published pipeline, for numpy and jax.numpy.

Host and accelerator draw from this one definition; each then applies what was drawn.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from daflow_jax.degrade import published

NUM_UNIFORM = 49  # numbers that `pipeline` takes once
NUM_STEPS = 21  # and for each frame, for the walks
SINC, NONE = 6, 7  # kinds of blur after the six of `published.KINDS`


class Blur(NamedTuple):
    """One blur: kind and size per clip, the others (f,)."""

    kind: Any  # place in published.KINDS, SINC or NONE
    size: Any
    sigma_x: Any
    sigma_y: Any
    theta: Any
    beta: Any
    omega: Any


class Order(NamedTuple):
    """One round; numbers that walk are (f,)."""

    blur: Blur
    scale: Any
    mode: Any  # place in published.MODES
    is_gaussian: Any
    gray: Any
    gaussian: Any
    poisson: Any
    quality: Any


class Drawn(NamedTuple):
    """All parameters of one clip (or of one frame, f = 1)."""

    first: Order
    second: Order
    mode: Any  # of the last resize
    sinc: Blur  # after it
    swapped: Any  # the last resize comes after the codec (or JPEG)
    codecs: Any  # (2,) places in pipeline.codecs
    kbit_per_frame: Any  # (2,)


class _Numbers:
    """Hands out uniform numbers in order; `steps` (f, n) drive the walks."""

    def __init__(self, u: Any, steps: Any, xp: Any):
        self._u, self._steps, self.xp = u, 2 * steps - 1, xp
        self._next = self._next_step = 0

    def one(self) -> Any:
        self._next += 1
        return self._u[self._next - 1]

    def span(self, low: Any, high: Any) -> Any:
        return low + (high - low) * self.one()

    def choice(self, shares: tuple[published.Number, ...]) -> Any:
        edges = np.cumsum(shares)[:-1] / sum(shares)
        return self.xp.sum(self.one() >= self.xp.asarray(edges))

    def walk(
        self, start: Any, step: published.Number, low: Any, high: Any, rounded: bool = False
    ) -> Any:
        column = self._steps[:, self._next_step]
        self._next_step += 1
        return walk(start, step, low, high, column, self.xp, rounded)


def walk(
    start: Any,
    step: published.Number,
    low: Any,
    high: Any,
    u: Any,
    xp: Any = np,
    rounded: bool = False,
) -> Any:
    """Returns (f,) values from `start` on, each u in [-1, 1] steps on and inside [low, high].

    A frame uses the value before its own step, so that the last u goes unused (RealBasicVSR).
    """
    start = xp.round(start) if rounded else start
    values = [start]
    for k in range(len(u) - 1):
        value = xp.clip(values[-1] + step * u[k], low, high)
        values.append(xp.round(value) if rounded else value)
    return xp.stack([xp.asarray(v) for v in values])


def pipeline(ranges: published.Pipeline, u: Any, steps: Any, xp: Any = np) -> Drawn:
    """Returns what the uniform numbers `u` (49,) and `steps` (f, 21) draw from the ranges."""
    numbers = _Numbers(u, steps, xp)
    return Drawn(
        first=_order(ranges, ranges.first, numbers),
        second=_order(ranges, ranges.second, numbers),
        mode=numbers.choice((1, 1, 1)),
        sinc=_final_sinc(ranges, numbers),
        swapped=numbers.one() < 0.5,
        codecs=xp.stack([numbers.choice((1,) * len(ranges.codecs)) for _ in range(2)]),
        kbit_per_frame=xp.stack([numbers.span(*ranges.kbit_per_frame) for _ in range(2)]),
    )


def _order(ranges: published.Pipeline, order: published.Order, n: _Numbers) -> Order:
    xp, step = n.xp, ranges.walk
    blur = _blur(ranges, order, n)
    way, place, (low, high) = n.choice(order.up_down_keep), n.one(), order.scale
    start = xp.where(way == 0, 1 + (high - 1) * place, low + (1 - low) * place)
    start = xp.where(way == 2, 1.0, start)
    quality = n.span(*order.quality)
    is_rounded = ranges.dialect == "opencv"
    return Order(
        blur=blur,
        scale=n.walk(start, order.scale_step if ranges.mode == "clip" else 0.0, low, high),
        mode=n.choice((1, 1, 1)),
        is_gaussian=n.one() < ranges.gaussian_share,
        gray=n.one() < ranges.gray_share,
        gaussian=n.walk(n.span(*order.gaussian), step.gaussian, *order.gaussian),
        poisson=n.walk(n.span(*order.poisson), step.poisson, *order.poisson),
        quality=n.walk(quality, step.quality, *order.quality, rounded=is_rounded),
    )


def _blur(ranges: published.Pipeline, order: published.Order, n: _Numbers) -> Blur:
    xp, step = n.xp, ranges.walk
    is_on, is_sinc = n.one() < order.blur_share, n.one() < ranges.sinc_share
    shape, size = n.choice(ranges.kernel_shares), _size(ranges, n)
    is_round = shape % 2 == 0
    sigma_x, sigma_y = (n.walk(n.span(*order.sigma), step.sigma, *order.sigma) for _ in range(2))
    theta = n.walk(n.span(-math.pi, math.pi), step.angle, -math.pi, math.pi)
    spans = (ranges.beta_generalized, step.generalized), (ranges.beta_plateau, step.plateau)
    general, plateau = (n.walk(_beta(span, n), by, *span) for span, by in spans)
    least = xp.where(size < 13, math.pi / 3, math.pi / 5)
    omega = n.walk(n.span(least, math.pi), step.omega, least, math.pi)
    return Blur(
        kind=xp.where(is_on, xp.where(is_sinc, SINC, shape), NONE),
        size=size,
        sigma_x=sigma_x,
        sigma_y=xp.where(is_round, sigma_x, sigma_y),
        theta=xp.where(is_round, 0.0, theta),
        beta=xp.where(shape < 2, 1.0, xp.where(shape < 4, general, plateau)),
        omega=omega,
    )


def _final_sinc(ranges: published.Pipeline, n: _Numbers) -> Blur:
    is_on, size = n.one() < ranges.final_sinc_share, _size(ranges, n)
    low, high = ranges.final_omega
    omega = n.walk(n.span(low, high), ranges.walk.omega, low, high)
    still = n.xp.ones_like(omega)
    return Blur(n.xp.where(is_on, SINC, NONE), size, still, still, 0 * still, still, omega)


def _size(ranges: published.Pipeline, n: _Numbers) -> Any:
    least, most = ranges.kernel_size
    return least + 2 * n.xp.floor(n.one() * ((most - least) // 2 + 1)).astype(int)


def _beta(span: published.Range, n: _Numbers) -> Any:
    below, u = n.one() < 0.5, n.one()
    return n.xp.where(below, span[0] + (1 - span[0]) * u, 1 + (span[1] - 1) * u)
