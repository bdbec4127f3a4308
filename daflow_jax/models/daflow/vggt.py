"""VGGT's prediction heads (Wang et al., CVPR 2025): points, depth and tracking features.

All read tokens of four depths of a transformer with patches of 14 pixels through one DPT trunk.
"""

import dataclasses
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.daflow import dpt
from daflow_jax.nn import conv

PATCH = 14  # pixels per token
_HIDDEN = 32  # channels in front of the last convolution
_TRUNK = dpt.DPTConfig(
    features=256, resize=(4, 2, 1, 0.5), double_last=True, output=PATCH, position="both"
)
# tracking reads the trunk's map itself, at half of the image's resolution and without positions
TRACK = dataclasses.replace(_TRUNK, features=128, output=PATCH // 2, position="none")


@dataclasses.dataclass(frozen=True)
class VGGTHeadConfig:
    """A head that predicts values and their confidence for every pixel.

    Attributes:
        trunk: the DPT in front.
        outputs: predicted values per pixel.
        activation: of the values: "exp", or "inv_log", the inverse of sign(y) log(1 + |y|).
    """

    trunk: dpt.DPTConfig
    outputs: int
    activation: Literal["exp", "inv_log"]


def _head(outputs: int, activation: Literal["exp", "inv_log"]) -> VGGTHeadConfig:
    trunk = dataclasses.replace(_TRUNK, output_features=_TRUNK.features // 2)
    return VGGTHeadConfig(trunk, outputs, activation)


POINT, DEPTH = _head(3, "inv_log"), _head(1, "exp")


class VGGTHead(nn.Module):
    """Maps tokens of four blocks to one prediction per pixel."""

    config: VGGTHeadConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, levels: tuple[Float[Array, "p n d"], ...], grid: tuple[int, int]
    ) -> tuple[Float[Array, "p h w c"], Float[Array, "p h w"]]:
        """Returns values and their confidence, 1 or more; `grid` = (h, w) of the tokens."""
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = dpt.DPTHead(c.trunk, **kinds, name="trunk")(levels, grid)
        x = nn.relu(conv.LinenConv(_HIDDEN, (3, 3), padding=1, **kinds, name="hidden")(x))
        # float32: the exponentials that follow would magnify 16-bit rounding
        x = nn.Dense(c.outputs + 1, **kinds, name="output")(x).astype(jnp.float32)
        values, confidence = x[..., :-1], x[..., -1]
        if c.activation == "exp":
            values = jnp.exp(values)
        else:
            values = jnp.sign(values) * jnp.expm1(jnp.abs(values))
        return values, 1 + jnp.exp(confidence)
