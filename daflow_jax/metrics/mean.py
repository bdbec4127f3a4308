"""A mean that stays exact when it is built in parts."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped


class Mean(NamedTuple):
    """A weighted total and its weight, float32 scalars; parts merge in any order and grouping.

    Under `jax.vmap` both have the mapped axes in front, and so has the result of `compute`.
    """

    total: Float[Array, "*b"]
    weight: Float[Array, "*b"]

    @classmethod
    def of(
        cls, values: Shaped[Array, "*s"], mask: Bool[Array, "*s"] | Float[Array, "*s"]
    ) -> "Mean":
        """Returns the mean of `values` weighted by `mask`; where that is 0 NaN does not count."""
        weight = mask.astype(jnp.float32)
        counted = jnp.where(weight > 0, values.astype(jnp.float32), 0.0)
        return cls(jnp.sum(counted * weight), jnp.sum(weight))

    def merge(self, other: "Mean") -> "Mean":
        """Returns the mean of both parts together."""
        return Mean(self.total + other.total, self.weight + other.weight)

    def compute(self) -> Float[Array, "*b"]:
        """Returns total over weight; NaN for an empty mean."""
        return jnp.divide(self.total, self.weight)
