"""Flow blocks of the RIFE versions: frames and flow in, a change of flow and mask out.

All work on pictures `scale` times smaller than the frames.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.rife import layers, motion
from daflow_jax.models.rife.motion import Motion
from daflow_jax.nn import deconv
from daflow_jax.ops import rescale

Flow = Float[Array, "b h w 4"]


class Block(nn.Module):
    """The block of the paper and of 4.0: eight convolutions, one skip over all of them."""

    width: int
    fine: bool = False  # 2R: the first convolution keeps the size
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: Sequence[Array], flow: Flow | None, scale: float) -> Motion:
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = motion.shrunk(images, flow, scale)
        x = layers.Conv(self.width // 2, 1 if self.fine else 2, name="conv0_0", **kinds)(x)
        x = layers.Conv(self.width, 2, name="conv0_1", **kinds)(x)
        x = layers.Convs(self.width, 8, name="convblock", **kinds)(x) + x
        out = deconv.Deconv(5, name="lastconv", **kinds)(x)
        return motion.enlarged(out, scale if self.fine else 2 * scale)


class PairBlock(nn.Module):
    """The block of 3.1, 3.5 and 3.8: skips over pairs of convolutions.

    pairs: how many. mask: whether a head finds the mask, or it is 0 (3.1). deep: heads of two
    transposed convolutions.
    """

    width: int
    pairs: int
    mask: bool = True
    deep: bool = False
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, images: Sequence[Array], flow: Flow | None, scale: float, times: float
    ) -> Motion:
        """Returns the change of flow and mask, enlarged `times` after the heads."""
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = motion.shrunk(images, flow, scale)
        x = layers.Conv(self.width // 2, 2, name="conv0_0", **kinds)(x)
        x = layers.Conv(self.width, 2, name="conv0_1", **kinds)(x)
        for i in range(self.pairs):
            x = layers.Convs(self.width, name=f"convblock{i}", **kinds)(x) + x
        heads = [self._head(x, 4, "conv1", kinds)]
        if self.mask:
            heads.append(self._head(x, 1, "conv2", kinds))
        else:
            heads.append(jnp.zeros_like(heads[0][..., :1]))
        return motion.enlarged(jnp.concatenate(heads, -1), times)

    def _head(self, x, features, name, kinds):
        if self.deep:
            x = layers.Deconv(self.width // 2, name=f"{name}_0", **kinds)(x)
        return deconv.Deconv(features, name=name, **kinds)(x)


class LateBlock(nn.Module):
    """The block of 4.6 and 4.25: eight scaled residual units, sub-pixels shuffled at the end.

    outputs: channels found, 6 of 4.6 (flow, logit, one that nothing reads) or 13 of 4.25 (flow,
    logit, eight features).
    """

    width: int
    outputs: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, images: Sequence[Array], flow: Flow | None, scale: float
    ) -> tuple[Motion, Float[Array, "b h w n"]]:
        """Returns the change of flow, the mask's logit, and the channels behind them."""
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = motion.shrunk(images, flow, scale)
        x = layers.Conv(self.width // 2, 2, False, name="conv0_0", **kinds)(x)
        x = layers.Conv(self.width, 2, False, name="conv0_1", **kinds)(x)
        for i in range(8):
            x = layers.Residual(name=f"convblock_{i}", **kinds)(x)
        x = deconv.Deconv(4 * self.outputs, name="lastconv", **kinds)(x)
        x = pixel_shuffle(x).astype(jnp.float32)
        full = motion.enlarged(x[..., :5], scale)
        return full, rescale.rescale(x[..., 5:], scale)


def pixel_shuffle(x: Float[Array, "b h w c"]) -> Float[Array, "b 2*h 2*w c//4"]:
    """Returns groups of four channels as 2 x 2 pixels, row by row (PyTorch's pixel shuffle)."""
    b, h, w, c = x.shape
    x = x.reshape(b, h, w, c // 4, 2, 2)
    return jnp.transpose(x, (0, 1, 4, 2, 5, 3)).reshape(b, 2 * h, 2 * w, c // 4)


class Encoder(nn.Module):
    """Four features of a frame at its full size, which 4.25 warps along with it."""

    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, frames: Float[Array, "b h w 3"]) -> Float[Array, "b h w 4"]:
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = layers.Conv(16, 2, False, name="cnn0", **kinds)(frames)
        x = layers.Conv(16, 1, False, name="cnn1", **kinds)(x)
        x = layers.Conv(16, 1, False, name="cnn2", **kinds)(x)
        return deconv.Deconv(4, name="cnn3", **kinds)(x)
