"""Joint attention of the hq, lq and text streams, with or without frames folded together."""

import functools
from typing import Any, Literal, NamedTuple, cast

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.dit4sr.config import DiTConfig
from daflow_jax.nn import attention, norm


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


_Part = tuple[Array | None, Array, Array]  # query (None: keys alone), key, value


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
        dense = functools.partial(nn.Dense, c.width, **kinds)
        scale = functools.partial(norm.RMSNorm, param_dtype=self.param_dtype)
        query_init, out_init = self._shared_init(), self._shared_init()
        self.to_q = dense(kernel_init=query_init)
        # from scratch, queries and keys of unrelated projections match nothing for a long time
        self.to_k = dense(kernel_init=query_init) if c.init == "scratch" else dense()
        self.to_v, self.to_out = dense(), dense(kernel_init=out_init)
        self.norm_q, self.norm_k = scale(), scale()
        if c.lq_key != "none":
            self._setup_control(dense, out_init)
        if self.text != "none":
            self.add_k_proj, self.add_v_proj, self.norm_added_k = dense(), dense(), scale()
        if self.text == "both":
            self.add_q_proj, self.norm_added_q, self.to_add_out = dense(), scale(), dense()

    def _setup_control(self, dense, out_init):
        published = self.config.init == "published"
        init = nn.initializers.zeros if published else _eye
        self.to_q_control, self.to_v_control = dense(kernel_init=init), dense(kernel_init=init)
        if self.config.lq_key == "own":
            self.to_k_control = dense(kernel_init=init)
        self.to_out_control = dense(kernel_init=out_init)

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
        parts: list[_Part] = [(query, key, value)]
        if x.lq is not None:
            parts.append(self._lq(x.lq, key))
        if self.text != "none":
            parts.append(self._text(cast(Array, x.text)))
        hq, *others = self._attend(parts, x.hq.shape[1])
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

    def _lq(self, lq: Array, hq_key: Array) -> tuple[Array, Array, Array]:
        x = self._flat(lq)
        query = self.norm_q(self._heads(self._chained(self.to_q, self.to_q_control, x)))
        value = self._heads(self._chained(self.to_v, self.to_v_control, x))
        if self.config.lq_key == "hq_twice":
            return query, self.norm_k(hq_key), value
        key = self._chained(self.to_k, self.to_k_control, x)
        return query, self.norm_k(self._heads(key)), value

    def _chained(self, first: nn.Dense, control: nn.Dense, x: Array) -> Array:
        """Returns control(first(x)); in the form "first_step", `control` holds their product."""
        return control(x if self.config.form == "first_step" else first(x))

    def _text(self, text: Array) -> _Part:
        key = self.norm_added_k(self._heads(self.add_k_proj(text)))
        value = self._heads(self.add_v_proj(text))
        if self.text == "keys":
            return None, key, value
        return self.norm_added_q(self._heads(self.add_q_proj(text))), key, value

    def _attend(self, parts, frames: int) -> list[Array]:
        """Returns the attended tokens, (b, f or copies, n, d), of every stream that has queries."""
        group = attention.merge_frames if self.folds else _as_batch
        query, key, value = (
            jnp.concatenate([group(x) for x in kind if x is not None], 1)
            for kind in zip(*parts, strict=True)
        )
        tail = (0, 1)
        if self.folds and self.text != "none":  # one copy of the text may stand for all frames'
            copies, length = parts[-1][1].shape[1:3]
            tail = (copies * length, frames // copies)
        out = attention.attend(
            query, key, value, tail=tail, implementation=self.config.attention
        ).reshape(*query.shape[:2], -1)
        queries = [x for x, _, _ in parts if x is not None]
        ends = np.cumsum([group(x).shape[1] for x in queries])
        pieces = jnp.split(out, ends[:-1], axis=1)
        return [x.reshape(*q.shape[:3], -1) for x, q in zip(pieces, queries, strict=True)]

    def _flat(self, x: Array) -> Array:
        return rearrange(x, "b f h w d -> b f (h w) d")

    def _heads(self, x: Array) -> Array:
        return rearrange(x, "b f n (h d) -> b f n h d", h=self.config.heads)


def _as_batch(x: Array) -> Array:
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])
