"""How degraded a clip looks: statistics of a few convolutions over whole frames."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import conv

HIDDEN = 64  # [choice]


class Gate(nn.Module):
    """Mean and spread of learned features over a frame, and two layers; frames are averaged.

    Noise, blur and blocks show in small neighbourhoods everywhere, so a view of 17 pixels is
    enough, and frames of any size are taken.
    """

    widths: tuple[int, ...]
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, frames: Float[Array, "b f h w 3"]) -> Float[Array, " b"]:
        """Returns the logit of "degraded" of every clip; frames in [0, 1]."""
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = rearrange(2 * frames - 1, "b f h w c -> (b f) h w c")
        for number, width in enumerate(self.widths):
            strides = 2 if number else 1
            x = nn.relu(conv.LinenConv(width, (3, 3), strides, name=f"conv{number}", **kinds)(x))
        x = x.astype(jnp.float32)
        seen = jnp.concatenate([x.mean((1, 2)), x.std((1, 2))], -1)
        hidden = nn.relu(nn.Dense(HIDDEN, name="hidden", **kinds)(seen))
        logit = nn.Dense(1, name="logit", **kinds)(hidden)[:, 0]
        return rearrange(logit.astype(jnp.float32), "(b f) -> b f", b=len(frames)).mean(1)
