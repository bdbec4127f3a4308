"""Learning rates as functions of the step."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import optax

Schedule = Callable[[jax.Array | int], jax.Array]


def one_cycle(peak: float, total_steps: int, pct_start: float = 0.05) -> Schedule:
    """Returns RAFT's rate: linear from peak/25 up to `peak`, then linear down to peak/250000.

    The turning points are those of PyTorch's OneCycleLR (linear, two phases): steps pct_start *
    total - 1 and total - 1, the first not rounded (RAFT, train.py, total = steps + 100, pct_start
    = 0.05).
    """
    start, end = peak / 25.0, peak / 25.0 / 1e4
    top, last = pct_start * total_steps - 1.0, total_steps - 1.0

    def rate(step):
        step = jnp.asarray(step, jnp.float32)
        up = start + (peak - start) * step / top
        down = peak + (end - peak) * jnp.minimum((step - top) / (last - top), 1.0)
        return jnp.where(step <= top, up, down)

    return rate


def constant(peak: float, warmup_steps: int = 0) -> Schedule:
    """Returns `peak` at every step, reached linearly from 0 within `warmup_steps`."""
    return lambda step: peak * _warmup(step, warmup_steps)


def halved(peak: float, halve_at: Sequence[int], warmup_steps: int = 0) -> Schedule:
    """Returns `peak`, after a linear warm-up, halved once at each step of `halve_at` (PWC-Net's
    published solver: 400, 600, 800, 1000 and 1200 thousand).
    """
    at = jnp.asarray(halve_at, jnp.float32)
    return lambda step: (
        peak * _warmup(step, warmup_steps) * 0.5 ** jnp.sum(jnp.asarray(step, jnp.float32) >= at)
    )


def cosine(peak: float, total_steps: int, warmup_steps: int = 0, final: float = 0.0) -> Schedule:
    """Returns half a cosine from `peak` to `final` at `total_steps`, after a linear warm-up."""
    least = final / peak if peak else 0.0
    decay = optax.cosine_decay_schedule(1.0, max(total_steps - warmup_steps, 1), alpha=least)
    return lambda step: (
        peak
        * jnp.where(
            step < warmup_steps,
            _warmup(step, warmup_steps),
            decay(jnp.maximum(step - warmup_steps, 0)),
        )
    )


def from_zero(peak: float, total_steps: int, warmup_steps: int) -> Schedule:
    """Returns a rate that is 0 at step 0, `peak` after `warmup_steps`, linear between them, and
    falls along half a cosine to a hundredth of it at `total_steps` (RIFE, train.py: 3e-4, 2000).
    """
    floor = 0.01 * peak

    def rate(step):
        step = jnp.asarray(step, jnp.float32)
        done = (step - warmup_steps) / max(total_steps - warmup_steps, 1)
        wave = floor + (peak - floor) * (0.5 * jnp.cos(jnp.pi * jnp.clip(done, 0, 1)) + 0.5)
        return jnp.where(step < warmup_steps, peak * step / max(warmup_steps, 1), wave)

    return rate


def _warmup(step, warmup_steps: int):
    if not warmup_steps:
        return jnp.float32(1.0)
    return jnp.minimum((jnp.asarray(step, jnp.float32) + 1.0) / warmup_steps, 1.0)
