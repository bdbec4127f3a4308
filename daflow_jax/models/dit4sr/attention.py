"""Joint attention of the hq, lq and text streams, with or without frames folded together."""

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, cast

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.dit4sr.config import DiTConfig
from daflow_jax.nn import attention, norm
from daflow_jax.sharding import axes


class Streams(NamedTuple):
    """Tokens: hq and lq (b, f, h, w, d); text (b, copies, t, d); None where there is none."""

    hq: Array
    lq: Array | None
    text: Array | None

    @property
    def images(self) -> tuple[Array, ...]:
        """The streams that share weights: hq, and lq where there is one."""
        return (self.hq,) if self.lq is None else (self.hq, self.lq)


class Tap(NamedTuple):
    """Features for matching: the query of a frame meets the key of its neighbour."""

    query: Float[Array, "b f n d"]
    key: Float[Array, "b f n d"]


def _eye(rng, shape, dtype=jnp.float32):
    return jnp.eye(*shape, dtype=dtype)


class JointAttention(nn.Module):
    """One softmax over [hq, lq, text] (SD3.5's joint attention, DiT4SR's with its lq stream).

    Attributes:
        folds: the frames of a clip form one sequence (DA-Flow, eq. 9-10).
        text: whether text takes part with queries and keys ("both"), "keys" alone, or not ("none").
    """

    config: DiTConfig
    folds: bool
    text: Literal["both", "keys", "none"]
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        scale = functools.partial(norm.RMSNorm, param_dtype=self.param_dtype)
        lecun = nn.initializers.lecun_normal()

        def dense(init: Callable[..., Any] = lecun):
            init = axes.named(init, "embed", "head_features")
            return nn.Dense(c.width, kernel_init=init, **kinds)

        def dense_out(init: Callable[..., Any] = lecun):
            init = axes.named(init, "head_features", "embed")
            return nn.Dense(c.width, kernel_init=init, **kinds)

        query_init, out_init = self._shared_init(), self._shared_init()
        self.to_q = dense(query_init)
        # from scratch, queries and keys of unrelated projections match nothing for a long time
        self.to_k = dense(query_init) if c.init == "scratch" else dense()
        self.to_v, self.to_out = dense(), dense_out(out_init)
        self.norm_q, self.norm_k = scale(), scale()
        if c.lq_key != "none":
            init = nn.initializers.zeros if c.init == "published" else _eye
            self.to_q_control, self.to_v_control = dense(init), dense(init)
            if c.lq_key == "own":
                self.to_k_control = dense(init)
            self.to_out_control = dense_out(out_init)
        if self.text != "none":
            self.add_k_proj, self.add_v_proj, self.norm_added_k = dense(), dense(), scale()
        if self.text == "both":
            self.add_q_proj, self.norm_added_q, self.to_add_out = dense(), scale(), dense_out()

    def _shared_init(self):
        """Returns an initializer that gives every layer that it is handed to the same kernel."""
        key, lecun = None, nn.initializers.lecun_normal()
        if self.is_initializing():
            key = self.make_rng("params")
        return lambda rng, shape, dtype: lecun(rng if key is None else key, shape, dtype)

    def __call__(self, x: Streams) -> tuple[Streams, Tap]:
        """Returns the attended streams and the tap; `x` holds the modulated inputs."""
        (query, key), tap = self._query_key(x.hq)
        value = self._heads(self.to_v(self._flat(x.hq)))
        images = [attention.Part(query, key, value)]
        if x.lq is not None:
            images.append(self._lq(x.lq, key))
        text = None if self.text == "none" else self._text(cast(Array, x.text))
        outs = attention.joint(images, text, folds=self.folds, implementation=self.config.attention)
        hq, *others = (rearrange(y, "b f n h d -> b f n (h d)") for y in outs)
        lq = None
        if x.lq is not None:
            # published residual: the modulated input, inside the output projection
            lq = self.to_out_control(others.pop(0) + self._flat(x.lq)).reshape(x.lq.shape)
        text = self.to_add_out(others[0]) if others else None
        return Streams(self.to_out(hq).reshape(x.hq.shape), lq, text), tap

    def tap(self, hq: Float[Array, "b f h w d"]) -> Tap:
        """Returns the tap alone: two projections of one stream."""
        return self._query_key(hq)[1]

    def _query_key(self, hq: Array) -> tuple[tuple[Array, Array], Tap]:
        x = self._flat(hq)
        raw = self.to_q(x), self.to_k(x)
        query, key = self.norm_q(self._heads(raw[0])), self.norm_k(self._heads(raw[1]))
        if self.config.tap_kind == "hidden":
            return (query, key), Tap(x, x)
        if self.config.tap_norm == "post_norm":
            raw = tuple(rearrange(y, "b f n h d -> b f n (h d)") for y in (query, key))
        return (query, key), Tap(raw[0] if self.config.tap_kind == "query_key" else raw[1], raw[1])

    def _lq(self, lq: Array, hq_key: Array) -> attention.Part:
        x = self._flat(lq)
        query = self.norm_q(self._heads(self._chained(self.to_q, self.to_q_control, x)))
        value = self._heads(self._chained(self.to_v, self.to_v_control, x))
        if self.config.lq_key == "hq_twice":
            return attention.Part(query, self.norm_k(hq_key), value)
        key = self._chained(self.to_k, self.to_k_control, x)
        return attention.Part(query, self.norm_k(self._heads(key)), value)

    def _chained(self, first: nn.Dense, control: nn.Dense, x: Array) -> Array:
        """Returns control(first(x)); in the form "first_step", `control` holds their product."""
        return control(x if self.config.form == "first_step" else first(x))

    def _text(self, text: Array) -> attention.Part:
        key = self.norm_added_k(self._heads(self.add_k_proj(text)))
        value = self._heads(self.add_v_proj(text))
        if self.text == "keys":
            return attention.Part(None, key, value)
        query = self.norm_added_q(self._heads(self.add_q_proj(text)))
        return attention.Part(query, key, value)

    def _flat(self, x: Array) -> Array:
        return rearrange(x, "b f h w d -> b f (h w) d")

    def _heads(self, x: Array) -> Array:
        return rearrange(x, "b f n (h d) -> b f n h d", h=self.config.heads)
