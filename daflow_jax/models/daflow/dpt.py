"""The dense prediction head that turns transformer tokens of four depths into one map.

Ranftl et al., ICCV 2021, in the form of VGGT's heads, whose residual units add relu(x), not x.
"""

import dataclasses
import functools
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen import dtypes
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import conv as convs
from daflow_jax.nn import embed
from daflow_jax.ops import resize


@dataclasses.dataclass(frozen=True)
class DPTConfig:
    """Sizes of a head.

    Attributes:
        features: channels of the fused maps.
        channels: channels of the levels before fusion, shallow to deep.
        resize: factor of each level against the token grid: 4, 2, 1 or 0.5. DA-Flow's
            (1, 1, 2, 2) is read from deep to shallow.
        double_last: the last fusion unit doubles the size once more (VGGT).
        output: size of the result against the token grid.
        position: whether position codes are added to the "levels", to levels and output ("both",
            VGGT), or to "none". Codes in the output would make a resting pixel match best.
        zero_last: the last convolution starts at zero, so that the output does.
        output_features: channels of the result; None means as many as `features`.
    """

    features: int = 256
    channels: tuple[int, ...] = (256, 512, 1024, 1024)
    resize: tuple[int | float, ...] = (2, 2, 1, 1)
    double_last: bool = False
    output: int = 2
    position: Literal["none", "levels", "both"] = "levels"
    zero_last: bool = False
    output_features: int | None = None


def position_map(grid: tuple[int, int], width: int, aspect: float) -> np.ndarray:
    """Returns float32 (h, w, width): VGGT's codes of a centred plane of unit half-diagonal.

    Half of the channels code x, half y, each [sin(u w), cos(u w)], w_k = 100^(-4k/width).
    `aspect` is the image's width over its height.
    """
    spans = np.array([1.0, aspect]) / np.hypot(1.0, aspect)  # y, x
    frequency = 100.0 ** (-np.arange(width // 4) / (width / 4))
    lines = []
    for size, span in zip(grid, spans, strict=True):
        edge = span * (size - 1) / size
        angle = np.linspace(-edge, edge, size)[:, None] * frequency
        lines.append(np.concatenate([np.sin(angle), np.cos(angle)], 1))
    shape = (*grid, width // 2)
    y, x = np.broadcast_to(lines[0][:, None], shape), np.broadcast_to(lines[1][None], shape)
    return np.concatenate([x, y], -1).astype(np.float32)


class Upsample(nn.Module):
    """Transposed convolution with kernel = stride, as one matrix product and a rearrangement."""

    factor: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "p h w c"]) -> Float[Array, "p hs ws c"]:
        channels, k = x.shape[-1], self.factor
        init = nn.initializers.lecun_normal(in_axis=0, out_axis=3)
        shape = (channels, k, k, channels)
        kernel = self.param("kernel", init, shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, (channels,), self.param_dtype)
        x, kernel, bias = dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        return embed.unpatchify(x @ kernel.reshape(channels, -1), k) + bias


class ResidualUnit(nn.Module):
    """Two convolutions beside relu(x): the published in-place ReLU changes the shortcut too."""

    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "p h w c"]) -> Float[Array, "p h w c"]:
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        conv = functools.partial(convs.LinenConv, x.shape[-1], (3, 3), padding=1, **kinds)
        x = nn.relu(x)
        return x + conv(name="conv2")(nn.relu(conv(name="conv1")(x)))


class Fusion(nn.Module):
    """Adds a level to what comes from below, refines, resizes, projects."""

    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        below: Float[Array, "p h w c"] | None,
        level: Float[Array, "p h w c"],
        size: tuple[int, int],
    ) -> Float[Array, "p hs ws c"]:
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = level
        if below is not None:
            x = below + ResidualUnit(**kinds, name="unit1")(level)
        x = ResidualUnit(**kinds, name="unit2")(x)
        # the 1x1 projection comes first: it commutes with resizing and is cheaper there
        x = nn.Dense(x.shape[-1], **kinds, name="out_conv")(x)
        return resize.resize_align_corners(x, size)


class DPTHead(nn.Module):
    """Maps tokens of four blocks, shallow to deep, to one map per frame."""

    config: DPTConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, levels: tuple[Float[Array, "p n d"], ...], grid: tuple[int, int]
    ) -> Float[Array, "p h w c"]:
        """Returns (p, output h, output w, output_features); `grid` = (h, w) of the tokens."""
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        conv = functools.partial(convs.LinenConv, kernel_size=(3, 3), padding=1, **kinds)
        norm = nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, **kinds, name="norm")
        maps = []
        for i, tokens in enumerate(levels):
            x = norm(tokens).reshape(-1, *grid, tokens.shape[-1])
            x = self._level(x, i)
            maps.append(conv(c.features, use_bias=False, name=f"layer{i + 1}_rn")(x))
        path = None
        for i in (3, 2, 1, 0):
            size = maps[max(i - 1, 0)].shape[1:3]
            if i == 0 and c.double_last:
                size = (2 * size[0], 2 * size[1])
            path = Fusion(**kinds, name=f"refinenet{i + 1}")(path, maps[i], size)
        zeros = dict(kernel_init=nn.initializers.zeros) if c.zero_last else {}
        x = conv(c.output_features or c.features, name="output_conv", **zeros)(path)
        x = resize.resize_align_corners(x, (c.output * grid[0], c.output * grid[1]))
        return self._with_position(x) if c.position == "both" else x

    def _level(self, x: Array, i: int) -> Array:
        """Returns level `i`, projected and resized."""
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = nn.Dense(c.channels[i], **kinds, name=f"project_{i}")(x)
        if c.position != "none":
            x = self._with_position(x)
        factor = c.resize[i]
        if factor > 1:
            return Upsample(int(factor), **kinds, name=f"resize_{i}")(x)
        if factor < 1:
            down = convs.LinenConv(
                c.channels[i], (3, 3), strides=2, padding=1, **kinds, name=f"resize_{i}"
            )
            return down(x)
        return x

    def _with_position(self, x: Array) -> Array:
        height, width = x.shape[1:3]
        codes = position_map((height, width), x.shape[-1], width / height)
        return x + 0.1 * jnp.asarray(codes, x.dtype)
