"""Batch norm with PyTorch's running statistics, over the global batch of a mesh."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

EPSILON = 1e-5


class BatchNorm(nn.Module):
    """Normalises channels over all other axes, with the biased variance; keeps the unbiased one.

    Under a mesh the means are over the clips of all devices, which PyTorch calls synchronised.
    With `train` statistics of the batch are used, and the running ones (collection "batch_stats")
    follow if the collection is mutable; otherwise the running ones are used. Flax's own layer keeps
    the biased variance.
    """

    momentum: float = 0.1  # what a batch adds to the running statistics
    scale_init: nn.initializers.Initializer = nn.initializers.ones
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*b c"], train: bool = False) -> Float[Array, "*b c"]:
        channels = x.shape[-1]
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,), jnp.float32)
        running_var = self.variable("batch_stats", "var", jnp.ones, (channels,), jnp.float32)
        scale = self.param("scale", self.scale_init, (channels,), self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, (channels,), self.param_dtype)
        x32 = x.astype(jnp.float32)  # float32 island: statistics
        if train:
            over = tuple(range(x.ndim - 1))
            mean = jnp.mean(x32, axis=over)
            variance = jnp.mean(jnp.square(x32 - mean), axis=over)
            if not self.is_initializing() and self.is_mutable_collection("batch_stats"):
                count = x.size // channels
                unbiased = variance * (count / max(count - 1, 1))
                keep = 1 - self.momentum
                running_mean.value = keep * running_mean.value + self.momentum * mean
                running_var.value = keep * running_var.value + self.momentum * unbiased
        else:
            mean, variance = running_mean.value, running_var.value
        factor = jax.lax.rsqrt(variance + EPSILON) * scale
        return (x32 * factor + (bias - mean * factor)).astype(x.dtype)
