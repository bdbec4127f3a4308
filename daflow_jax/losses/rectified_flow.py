"""Training objective of the restoration backbone."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.ops import diffusion

Kind = Literal["velocity", "x0"]


def rectified_flow_loss(
    prediction: Float[Array, "b *rest"],
    noisy: Float[Array, "b *rest"],
    x0: Float[Array, "b *rest"],
    noise: Float[Array, "b *rest"],
    sigma: Float[Array, " b"],
    *,
    predicts: Kind = "velocity",
    weighting: Kind = "x0",
    weight: Float[Array, " b"] | None = None,
) -> Float[Array, ""]:
    """Returns the mean squared error of the clean content, or of the velocity, float32.

    The two differ by the factor sigma^2 per clip. DiT4SR and DA-Flow's code train velocity networks
    with the error of x0 = noisy - sigma velocity; the error of the velocity itself is SD3's form.

    Args:
        predicts: what `prediction` stands for.
        weighting: which error is averaged; "velocity" divides by sigma^2 >= 9e-6, so it suits
            velocity networks.
        weight: one factor per clip, 0 for padding; the mean is taken over clips that count.
    """
    prediction, noisy, x0, noise = (x.astype(jnp.float32) for x in (prediction, noisy, x0, noise))
    if weighting == "velocity":
        if predicts == "x0":
            prediction = diffusion.x0_to_velocity(prediction, noisy, sigma)
        error = prediction - (noise - x0)
    else:
        if predicts == "velocity":
            prediction = diffusion.velocity_to_x0(prediction, noisy, sigma)
        error = prediction - x0
    per_clip = jnp.mean(jnp.square(error), axis=tuple(range(1, error.ndim)))
    if weight is None:
        return jnp.mean(per_clip)
    return jnp.sum(per_clip * weight) / jnp.maximum(jnp.sum(weight), 1e-6)
