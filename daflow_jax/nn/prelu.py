"""ReLU with a learned slope for negative values, one per channel (He et al. 2015)."""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen import dtypes
from jax.typing import DTypeLike
from jaxtyping import Array, Float


class PReLU(nn.Module):
    """max(x, 0) + slope min(x, 0); slopes start at 0.25, as PyTorch's."""

    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b c"]:
        start = nn.initializers.constant(0.25)
        slope = self.param("slope", start, x.shape[-1:], self.param_dtype)
        x, slope = dtypes.promote_dtype(x, slope, dtype=self.dtype)
        return jnp.where(x > 0, x, slope * x)
