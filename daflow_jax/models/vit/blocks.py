"""The pre-norm block of a vision transformer, which also shows what its attention sees."""

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.sharding import axes


class Attended(NamedTuple):
    """What a block's attention saw: queries and keys before the scale 1 / sqrt(d), and the class
    token's attention over all tokens.
    """

    query: Float[Array, "b heads n d"]
    key: Float[Array, "b heads n d"]
    class_attention: Float[Array, "b heads n"]


small = nn.initializers.truncated_normal(0.02)


class Block(nn.Module):
    """Attention and MLP (GELU by erf), each behind a layer norm of epsilon 1e-6 [DINO].

    drop: share of images whose branch is left out in training (stochastic depth; stream
    "dropout").
    """

    width: int
    heads: int
    hidden: int
    drop: float = 0.0
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b n c"], train: bool
    ) -> tuple[Float[Array, "b n c"], Attended]:
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        norm = functools.partial(nn.LayerNorm, epsilon=1e-6, **kinds)
        dense = functools.partial(nn.Dense, **kinds)
        into = axes.named(small, "embed", "mlp")
        y, seen = self._attention(norm(name="norm1")(x), dense)
        x = x + self._kept(y, train)
        y = dense(self.hidden, kernel_init=into, name="fc1")(norm(name="norm2")(x))
        y = axes.constrain(nn.gelu(y, approximate=False), "batch", "targets", "hidden")
        y = dense(x.shape[-1], kernel_init=axes.named(small, "mlp", "embed"), name="fc2")(y)
        return x + self._kept(y, train), seen

    def _attention(self, x, dense) -> tuple[jax.Array, Attended]:
        b, n, width = x.shape

        def heads(name):
            init = axes.named(small, "embed", "head_features")
            y = dense(width, kernel_init=init, name=name)(x)
            y = y.reshape(b, n, self.heads, -1)
            return axes.constrain(y, "batch", "targets", "heads", "head_dim").swapaxes(1, 2)

        query, key, value = (heads(name) for name in ("query", "key", "value"))
        logits = jnp.einsum("bhnd,bhmd->bhnm", query, key, preferred_element_type=jnp.float32)
        shares = jax.nn.softmax(logits / query.shape[-1] ** 0.5, axis=-1)  # float32 island
        y = jnp.einsum("bhnm,bhmd->bnhd", shares.astype(value.dtype), value).reshape(b, n, width)
        init = axes.named(small, "head_features", "embed")
        y = dense(width, kernel_init=init, name="out")(y)
        return y, Attended(query, key, shares[:, :, 0])

    def _kept(self, y, train):
        if not (train and self.drop):
            return y
        keep = 1 - self.drop
        kept = jax.random.bernoulli(self.make_rng("dropout"), keep, (len(y), 1, 1))
        return jnp.where(kept, y / keep, 0)
