"""What devices that share the tokens of a sequence tell each other before and after attending."""

from typing import NamedTuple

import jax
from jaxtyping import Array, Float


class Exchange(NamedTuple):
    """Runs inside shard_map.

    A stream lies split (each device has some of its tokens) or whole (each device has all). Either
    devices exchange tokens for heads and back (DeepSpeed-Ulysses): each then attends with all
    tokens for its own heads. Or each keeps its queries and gathers the keys.

    Attributes:
        over: the mesh axes that share the tokens; none: one device, nothing to exchange.
        split: the images lie split, else whole (their tokens do not divide).
        by_heads: tokens are exchanged for heads, which must divide.
    """

    over: tuple[str, ...] = ()
    split: bool = False
    by_heads: bool = False

    def tokens(self, own: int) -> int:
        """Returns of how many image tokens this device sees the keys; `own` lie with it."""
        return own * jax.lax.axis_size(self.over) if self.split else own

    def heads(self, own: int) -> int:
        """Returns for how many heads this device attends; `own` lie with it."""
        return own // jax.lax.axis_size(self.over) if self.by_heads else own

    def queries(self, x: Float[Array, "b s h d"], split: bool) -> Float[Array, "b t g d"]:
        """Returns the queries that this device attends with."""
        if not self.by_heads:
            return x
        if split:
            return jax.lax.all_to_all(x, self.over, split_axis=2, concat_axis=1, tiled=True)
        share = x.shape[2] // jax.lax.axis_size(self.over)
        start = jax.lax.axis_index(self.over) * share
        return jax.lax.dynamic_slice_in_dim(x, start, share, axis=2)

    def keys(self, x: Float[Array, "b s h d"], split: bool) -> Float[Array, "b t g d"]:
        """Returns the keys, or values, that this device attends to."""
        if self.by_heads or not split:
            return self.queries(x, split)
        return jax.lax.all_gather(x, self.over, axis=1, tiled=True)

    def back(self, x: Float[Array, "b t g d"], split: bool) -> Float[Array, "b s h d"]:
        """Returns to every device what belongs to its tokens; undoes `queries`."""
        if not self.by_heads:
            return x
        if split:
            return jax.lax.all_to_all(x, self.over, split_axis=1, concat_axis=2, tiled=True)
        return jax.lax.all_gather(x, self.over, axis=2, tiled=True)
