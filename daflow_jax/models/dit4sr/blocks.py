"""The transformer block: modulation, attention, feed-forward with its bridge from lq to hq."""

import functools
from collections.abc import Iterable
from typing import Any, cast

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.dit4sr import depthwise
from daflow_jax.models.dit4sr.attention import JointAttention, Streams, Tap
from daflow_jax.models.dit4sr.config import DiTConfig
from daflow_jax.nn import norm
from daflow_jax.sharding import axes

# dimensions of tokens before their features
IMAGE = ("batch", "frames", "rows", "columns")
TEXT = ("batch", "frames", "text")

_gelu = functools.partial(nn.gelu, approximate=True)


def place(x: Streams) -> Streams:
    """Returns the streams split over the mesh: clips, and the rows of images."""
    hq, lq, text = x
    return Streams(
        axes.constrain(hq, *IMAGE, "width"),
        None if lq is None else axes.constrain(lq, *IMAGE, "width"),
        None if text is None else axes.constrain(text, *TEXT, "width"),
    )


def modulation(config: DiTConfig, chunks: int, gates: bool, **kinds) -> nn.Dense:
    """Returns the layer that makes `chunks` shifts, scales and gates (every third) of a block.

    Published networks start with closed gates; from scratch they start open (as in a plain
    pre-norm transformer), which trains faster at small depth. In the form "first_step" the kernel
    (1, chunks * width) holds the results themselves, to be multiplied by one.
    """
    if config.form == "first_step":
        return nn.Dense(chunks * config.width, use_bias=False, **kinds)
    published = config.init == "published"
    opened = 0.0 if published else 1.0
    kernel_init = nn.initializers.zeros if published else nn.initializers.normal(0.02)
    kernel_init = axes.named(kernel_init, "embed", "modulations")

    def bias_init(rng, shape, dtype):
        is_gate = jnp.arange(chunks) % 3 == 2 if gates else jnp.zeros(chunks, bool)
        return jnp.repeat(jnp.where(is_gate, opened, 0.0).astype(dtype), config.width)

    return nn.Dense(chunks * config.width, kernel_init=kernel_init, bias_init=bias_init, **kinds)


class FeedForward(nn.Module):
    """Dense, GELU (tanh form), dense; for text, and for images without an lq stream."""

    config: DiTConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        dense = functools.partial(nn.Dense, dtype=self.dtype, param_dtype=self.param_dtype)
        into, out = (
            axes.named(nn.initializers.lecun_normal(), *names)
            for names in (("embed", "mlp"), ("mlp", "embed"))
        )
        self.proj_in = dense(self.config.mlp_ratio * self.config.width, kernel_init=into)
        self.proj_out = dense(self.config.width, kernel_init=out)

    def __call__(self, x: Array) -> tuple[Array, ...]:
        return (self.proj_out(self.hidden(x)),)

    def hidden(self, x: Array) -> Array:
        """Returns the hidden features of image tokens (b, f, h, w, d) or text (b, f, t, d)."""
        names = IMAGE if x.ndim == 5 else TEXT
        return _gelu(axes.constrain(self.proj_in(x), *names, "hidden"))


class BridgedFeedForward(FeedForward):
    """The feed-forward of both image streams: hidden lq tokens, convolved per frame, join hq's."""

    def setup(self):
        super().setup()
        published = self.config.init == "published"
        init = nn.initializers.zeros if published else nn.initializers.lecun_normal()
        self.control_conv = depthwise.DepthwiseConv(init, self.dtype, self.param_dtype)

    def __call__(self, hq: Array, lq: Array) -> tuple[Array, ...]:
        hq, lq = self.hidden(hq), self.hidden(lq)
        hq = hq + self.config.control_scale * self.control_conv(lq)
        return self.proj_out(hq), self.proj_out(lq)


class Block(nn.Module):
    """One block; the image streams share its modulation, norms and feed-forward weights.

    Attributes:
        index: selects the second attention, folding, and the last block, which drops its text.
    """

    config: DiTConfig
    index: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.is_last, self.is_dual = self.index == c.depth - 1, self.index < c.dual_blocks
        folds = c.folds(self.index)
        self.chunks = 9 if self.is_dual else 6
        if c.form == "first_step" and self.index == c.taps[-1]:
            self.chunks = 2  # only its tap is read
        self.norm1 = modulation(c, self.chunks, True, **kinds)
        self.norm1_context = modulation(c, 2 if self.is_last else 6, not self.is_last, **kinds)
        self.attn = JointAttention(c, folds, "keys" if self.is_last else "both", **kinds)
        if self.is_dual:
            self.attn2 = JointAttention(c, folds and c.lift_attn2 == "fold", "none", **kinds)
        self.ff = (FeedForward if c.lq_key == "none" else BridgedFeedForward)(c, **kinds)
        if not self.is_last:
            self.ff_context = FeedForward(c, **kinds)

    def tap(self, hq: Float[Array, "b f h w d"], temb: Float[Array, "b dt"]) -> Tap:
        """Returns the tap of this block without running it."""
        shift, scale = jnp.split(self.norm1(temb), self.chunks, -1)[:2]
        return self.attn.tap(norm.modulate(norm.layer_norm(hq), shift, scale))

    def __call__(self, x: Streams, temb: Float[Array, "b dt"]) -> tuple[Streams, Tap]:
        """Returns the streams behind the block, and its tap; `temb` has passed its SiLU."""
        shift, scale, gate, shift_ff, scale_ff, gate_ff, *second = jnp.split(
            self.norm1(temb), self.chunks, -1
        )
        normed = [norm.layer_norm(y) for y in x.images]
        before = cast(Array, x.text)  # only the last block drops it
        text, text_gates = self._text_input(before, temb)
        out, tap = self.attn(_streams((norm.modulate(y, shift, scale) for y in normed), text))
        images = _add(x.images, gate, out.images)
        if self.is_dual:
            out2, _ = self.attn2(_streams(norm.modulate(y, *second[:2]) for y in normed))
            images = _add(images, second[2], out2.images)
        modulated = (norm.modulate(norm.layer_norm(y), shift_ff, scale_ff) for y in images)
        images = _add(images, gate_ff, self.ff(*modulated))
        return place(_streams(images, self._text_output(before, out.text, text_gates))), tap

    def _text_input(self, text: Array, temb: Array) -> tuple[Array, list[Array]]:
        chunks = jnp.split(self.norm1_context(temb), 2 if self.is_last else 6, -1)
        if self.is_last:  # published order of the last block: scale, shift
            return norm.modulate(norm.layer_norm(text), chunks[1], chunks[0]), []
        return norm.modulate(norm.layer_norm(text), *chunks[:2]), chunks[2:]

    def _text_output(self, text: Array, out: Array | None, gates: list[Array]) -> Array | None:
        if self.is_last:
            return None
        gate, shift, scale, gate_ff = gates
        (text,) = _add((text,), gate, (out,))
        fed = self.ff_context(norm.modulate(norm.layer_norm(text), shift, scale))
        return _add((text,), gate_ff, fed)[0]


class LoopedBlock(Block):
    """A block as the body of a loop over equal blocks: it gives the streams on, and no tap."""

    def __call__(self, x: Streams, temb: Float[Array, "b dt"]) -> tuple[Streams, None]:
        """Returns (the streams behind the block, None)."""
        return super().__call__(x, temb)[0], None


def _streams(images: Iterable[Array], text: Array | None = None) -> Streams:
    hq, *lq = images
    return Streams(hq, lq[0] if lq else None, text)


def _add(streams, gate, updates) -> tuple[Array, ...]:
    return tuple(x + norm.per_clip(gate, x) * y for x, y in zip(streams, updates, strict=True))
