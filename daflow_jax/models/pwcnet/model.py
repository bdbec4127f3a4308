"""PWC-Net: from coarse to fine, each level warps, correlates and decodes."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models import levels
from daflow_jax.models.outputs import FlowOutput
from daflow_jax.models.pwcnet import layers, warp
from daflow_jax.models.pwcnet.config import PWCNetConfig
from daflow_jax.nn import placement
from daflow_jax.ops.local_correlation import local_correlation


class Level(NamedTuple):
    """What is found at one level; flow in units of 20 pixels of the frames, float32.

    warped: second frame's features. correlation: before the activation. up_flow, up_feat: for the
    next level, None at the last. stack: what the flow is predicted from. coarse: the last level's
    flow without the context network.
    """

    warped: Array
    correlation: Array
    stack: Array
    flow: Float[Array, "p h w 2"]
    up_flow: Array | None = None
    up_feat: Array | None = None
    coarse: Array | None = None


class PWCNet(nn.Module):
    """Flow of every neighbouring pair of a clip (Sun et al., CVPR 2018)."""

    config: PWCNetConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.pyramid = layers.Pyramid(c.widths, **kinds)
        self.decoders = {
            f"level{n}": layers.Decoder(c.decoder, n == 2, name=f"level{n}", **kinds)
            for n in (6, 5, 4, 3, 2)
        }
        self.context = layers.Context(c.context, **kinds)

    def features(self, frames: Float[Array, "b f h w 3"]) -> list[Float[Array, "b f hl wl c"]]:
        """Returns the features of every frame at levels 1 to 6; frames are RGB in [0, 1]."""
        images = rearrange(frames[..., ::-1], "b f h w c -> (b f) h w c")  # trained on BGR
        return [
            rearrange(x, "(b f) h w c -> b f h w c", b=len(frames)) for x in self.pyramid(images)
        ]

    def estimate(self, frames: Float[Array, "b f h w 3"]) -> list[Level]:
        """Returns levels 6 to 2 of all pairs of neighbours."""
        found: list[Level] = []
        features = self.features(frames)
        for number in (6, 5, 4, 3, 2):
            maps = features[number - 1]
            first, second = (
                rearrange(x, "b q h w c -> (b q) h w c") for x in (maps[:, :-1], maps[:, 1:])
            )
            found.append(self._level(number, first, second, found[-1] if found else None))
        return found

    def _level(self, number: int, first: Array, second: Array, before: Level | None) -> Level:
        if before is None:
            known, warped = [], second
        else:
            up_flow = jnp.asarray(before.up_flow)
            known = [first, up_flow.astype(first.dtype), before.up_feat]
            flow = up_flow * (levels.UNIT / 2**number)
            warped = warp.masked(second, flow, self.config.align_corners)
        correlation = local_correlation(first, warped, self.config.radius)
        decoder = self.decoders[f"level{number}"]
        flow, stack = decoder(jnp.concatenate([layers.activate(correlation), *known], axis=-1))
        level = Level(warped, correlation, stack, flow)
        if number == 2:
            return level._replace(flow=flow + self.context(stack), coarse=flow)
        up_flow, up_feat = decoder.enlarge(flow, stack)
        return level._replace(up_flow=up_flow, up_feat=up_feat)

    def __call__(self, frames: Float[Array, "b f h w 3"]) -> FlowOutput:
        """Returns flow k -> k+1 for every pair of neighbours, and the flow of each level.

        frames: RGB in [0, 1]; height and width are multiples of 64.
        """
        flows = [level.flow for level in self.estimate(placement.clip(frames))][::-1]
        return levels.output(flows, len(frames))
