"""MaskFormer without classes: pixel embeddings times what a transformer makes of the queries."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models import registry
from daflow_jax.models.maskformer import pixels, queries
from daflow_jax.models.maskformer.config import MaskFormerConfig


class MaskFormer(nn.Module):
    """Logits of masks of frames; see `MaskFormerConfig`. Each frame is seen by itself."""

    config: MaskFormerConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c, kinds = self.config, dict[str, Any](dtype=self.dtype, param_dtype=self.param_dtype)
        self.backbone = registry.build(c.backbone, **kinds)
        self.pixels = pixels.PixelDecoder(c.width, c.doublings, **kinds)
        self.queries = queries.QueryDecoder(c.masks, c.width, c.layers, c.heads, c.hidden, **kinds)

    def __call__(
        self, clips: Float[Array, "b f h w 3"], train: bool = False
    ) -> Float[Array, "b f hs ws k"]:
        """Returns float32 logits per cell of `config.stride` pixels; clips are in [0, 1]."""
        maps = self.backbone(clips, train=train)
        maps = jnp.split(maps.reshape(-1, *maps.shape[2:]), self.config.levels, -1)
        found = self.pixels(maps)
        asked = self.queries(maps[-1])
        logits = jnp.einsum("bkc,bhwc->bhwk", asked, found, preferred_element_type=jnp.float32)
        return logits.reshape(*clips.shape[:2], *logits.shape[1:])
