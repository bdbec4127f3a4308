"""Rectified-flow schedule with a shifted time axis, as Stable Diffusion 3 uses it.

The sign of time, for the whole package: sigma = 1 is pure noise, sigma = 0 is clean content,
sampling goes from 1 to 0. noisy = (1 - sigma) x0 + sigma noise,
velocity = d noisy / d sigma = noise - x0.
The network is told timestep = 1000 sigma. (SD3, sec. 3.1; FlowMatchEulerDiscreteScheduler.)
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

TIMESTEPS = 1000  # length of the training table, and timestep = TIMESTEPS * sigma
SHIFT = 3.0  # SD3 at every resolution


def _shifted(s: np.ndarray, shift: float) -> np.ndarray:
    return shift * s / (1 + (shift - 1) * s)


def training_sigmas(shift: float = SHIFT) -> np.ndarray:
    """Returns the training table, float32 (1000,), from 1 (index 0) down to almost 0."""
    base = np.arange(TIMESTEPS, 0, -1, dtype=np.float64) / TIMESTEPS
    return _shifted(base, shift).astype(np.float32)


def inference_sigmas(steps: int, shift: float = SHIFT) -> np.ndarray:
    """Returns float32 (steps + 1,): the sigmas of `steps` Euler steps, then 0.

    The range of timesteps ends at the last, already shifted entry of the training table and is
    shifted once more: published samplers do this, so the last sigma before 0 is 0.0089 for shift 3.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; denoising needs at least 1 step")
    ends = training_sigmas(shift)[[0, -1]].astype(np.float64) * TIMESTEPS
    sigmas = _shifted(np.linspace(ends[0], ends[1], steps) / TIMESTEPS, shift)
    return np.append(sigmas, 0.0).astype(np.float32)


def table_index(draw: Float[Array, " b"]) -> Int[Array, " b"]:
    """Returns the table index of each standard normal draw: floor(1000 sigmoid(draw))."""
    index = jnp.floor(jax.nn.sigmoid(draw) * TIMESTEPS).astype(jnp.int32)
    return jnp.clip(index, 0, TIMESTEPS - 1)


def draw_sigma(rng: jax.Array, count: int, shift: float = SHIFT) -> Float[Array, " {count}"]:
    """Returns one training sigma per clip, logit-normal over the shifted table (median 0.75)."""
    return jnp.asarray(training_sigmas(shift))[table_index(jax.random.normal(rng, (count,)))]


def _per_clip(sigma: Array, x: Array) -> Array:
    return sigma.astype(x.dtype).reshape(sigma.shape + (1,) * (x.ndim - sigma.ndim))


def add_noise(
    x0: Float[Array, "b *rest"], noise: Float[Array, "b *rest"], sigma: Float[Array, " b"]
) -> Float[Array, "b *rest"]:
    """Returns (1 - sigma) x0 + sigma noise; one sigma per clip."""
    s = _per_clip(sigma, x0)
    return (1 - s) * x0 + s * noise


def velocity_to_x0(
    velocity: Float[Array, "b *rest"], noisy: Float[Array, "b *rest"], sigma: Float[Array, " b"]
) -> Float[Array, "b *rest"]:
    """Returns the clean content that `velocity` stands for: noisy - sigma velocity."""
    return noisy - _per_clip(sigma, noisy) * velocity


def x0_to_velocity(
    x0: Float[Array, "b *rest"], noisy: Float[Array, "b *rest"], sigma: Float[Array, " b"]
) -> Float[Array, "b *rest"]:
    """Returns the velocity that leads from `noisy` to `x0`: (noisy - x0) / sigma; sigma > 0."""
    return (noisy - x0) / _per_clip(sigma, noisy)


def euler_step(
    noisy: Float[Array, "b *rest"],
    velocity: Float[Array, "b *rest"],
    sigma: Float[Array, ""],
    sigma_next: Float[Array, ""],
) -> Float[Array, "b *rest"]:
    """Returns the sample at `sigma_next`, float32: noisy + (sigma_next - sigma) velocity."""
    # float32 because forty small steps are added up
    noisy, velocity = noisy.astype(jnp.float32), velocity.astype(jnp.float32)
    return noisy + (sigma_next - sigma) * velocity
