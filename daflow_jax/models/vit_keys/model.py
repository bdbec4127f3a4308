"""Patches, blocks, and the keys of some of them as maps."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.vit import blocks, positions
from daflow_jax.models.vit_keys.config import ViTKeysConfig
from daflow_jax.nn import conv
from daflow_jax.ops import photometric


class ViTKeys(nn.Module):
    """Keys of frames; see `ViTKeysConfig`. Each frame is seen by itself."""

    config: ViTKeysConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, clips: Float[Array, "b f h w 3"], train: bool = False
    ) -> Float[Array, "b f gh gw c"]:
        """Returns the keys of all taps beside each other; clips are in [0, 1]."""
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        images = photometric.standardise(clips.reshape(-1, *clips.shape[2:]))
        around = (c.patch - c.step) // 2
        images = jnp.pad(images, ((0, 0), (around, around), (around, around), (0, 0)), "edge")
        x = conv.LinenConv(
            c.width, (c.patch, c.patch), c.step, padding="VALID", **kinds, name="patch"
        )(images)
        b, side = len(x), c.table // c.patch
        grid = (x.shape[1], x.shape[2])
        small = blocks.small
        token = self.param("class_token", small, (c.width,), self.param_dtype)
        first = self.param("class_position", small, (c.width,), self.param_dtype)
        table = self.param("positions", small, (side, side, c.width), self.param_dtype)
        x = x + positions.interpolate(table, grid).astype(x.dtype)
        head = jnp.broadcast_to((token + first).astype(x.dtype), (b, 1, c.width))
        x, keys = jnp.concatenate([head, x.reshape(b, -1, c.width)], 1), []
        hidden = int(c.width * c.mlp_ratio)
        for number in range(c.taps[-1] + 1):
            block = blocks.Block(c.width, c.heads, hidden, **kinds, name=f"block{number}")
            x, seen = block(x, train)
            if number in c.taps:
                key = seen.key.swapaxes(1, 2)[:, 1:]  # without the class token
                keys.append(key.reshape(b, *grid, c.width))
        maps = jnp.concatenate(keys, -1)
        return maps.reshape(*clips.shape[:2], *maps.shape[1:])
