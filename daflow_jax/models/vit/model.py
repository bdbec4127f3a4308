"""The vision transformer: frames to a class token and a map of patch tokens."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.vit import blocks, positions
from daflow_jax.models.vit.config import ViTConfig
from daflow_jax.nn import embed
from daflow_jax.ops import photometric


class Tokens(NamedTuple):
    """class_token: after the last norm. patches: likewise, by place. attended: of the last
    block.
    """

    class_token: Float[Array, "b c"]
    patches: Float[Array, "b gh gw c"]
    attended: blocks.Attended


class ViT(nn.Module):
    """Features of frames; see `ViTConfig`. Each frame is seen by itself."""

    config: ViTConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def __call__(
        self, clips: Float[Array, "b f h w 3"], train: bool = False
    ) -> Float[Array, "b f gh gw c"]:
        """Returns a vector per patch; clips are in [0, 1]."""
        images = clips.reshape(-1, *clips.shape[2:])
        patches = self.tokens(images, train).patches
        return patches.reshape(*clips.shape[:2], *patches.shape[1:])

    @nn.compact
    def tokens(self, images: Float[Array, "b h w 3"], train: bool = False) -> Tokens:
        """Returns class token, patch tokens, and what the last block's attention saw.

        Images are in [0, 1]; with `train` blocks are left out at random (stream "dropout").
        """
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = embed.PatchEmbed(c.width, c.patch, **kinds, name="patch")(
            photometric.standardise(images)
        )
        b, grid = len(x), (x.shape[1], x.shape[2])
        side = c.table // c.patch
        small = blocks.small
        token = self.param("class_token", small, (c.width,), self.param_dtype)
        first = self.param("class_position", small, (c.width,), self.param_dtype)
        table = self.param("positions", small, (side, side, c.width), self.param_dtype)
        x = x + positions.interpolate(table, grid).astype(x.dtype)
        head = jnp.broadcast_to((token + first).astype(x.dtype), (b, 1, c.width))
        x, seen = jnp.concatenate([head, x.reshape(b, -1, c.width)], 1), None
        for number in range(c.depth):
            drop = c.drop_path * number / max(c.depth - 1, 1)
            hidden = int(c.width * c.mlp_ratio)
            block = blocks.Block(c.width, c.heads, hidden, drop, **kinds, name=f"block{number}")
            x, seen = block(x, train)
        x = nn.LayerNorm(epsilon=1e-6, **kinds, name="norm")(x)
        assert seen is not None  # there is a block
        return Tokens(x[:, 0], x[:, 1:].reshape(b, *grid, c.width), seen)
