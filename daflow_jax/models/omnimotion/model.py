"""The networks together: time codes, bijection, colour and density, and points moved by them."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from daflow_jax.models.omnimotion.bijection import Bijection
from daflow_jax.models.omnimotion.config import OmniMotionConfig
from daflow_jax.models.omnimotion.gabor import GaborNet
from daflow_jax.ops import rays

CODE_LAYERS, CODE_ALPHA = 2, 4.5
FIELD_LAYERS, FIELD_ALPHA = 3, 3.0


class Seen(NamedTuple):
    """What lies on rays: color in [0, 1], alpha, weights, rgb = the colours composited."""

    color: Float[Array, "*b s 3"]
    alpha: Float[Array, "*b s"]
    weights: Float[Array, "*b s"]
    rgb: Float[Array, "*b 3"]


class Predicted(NamedTuple):
    """What a fit compares, of points and the samples of their rays.

    here, there: samples in the frames of the points, and in the other ones. weights: of the
    samples, 0 where their depth there is out of range. place: of the points in the other frames,
    in pixels. rgb: composited with all weights.
    """

    here: Float[Array, "b n s 3"]
    there: Float[Array, "b n s 3"]
    weights: Float[Array, "b n s"]
    place: Float[Array, "b n 2"]
    rgb: Float[Array, "b n 3"]


class OmniMotion(nn.Module):
    """The motion of one clip; see `OmniMotionConfig`. All of it is float32, whatever `dtype`."""

    config: OmniMotionConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c, kinds = self.config, dict[str, Any](param_dtype=self.param_dtype)
        self.times = GaborNet(c.code_hidden, c.code, CODE_LAYERS, CODE_ALPHA, **kinds)
        self.bijection = Bijection(c, **kinds)
        self.field = GaborNet(c.field, 4, FIELD_LAYERS, FIELD_ALPHA, **kinds)

    def __call__(
        self, points: Float[Array, "b n 2"], source: Int[Array, " b"], target: Int[Array, " b"]
    ) -> tuple[Float[Array, "b n 2"], Float[Array, "b n"]]:
        """Returns where points of frames `source` are in frames `target`, and how much of the rays
        there ends in front of them, in [0, 1].

        The heaviest sample of a ray is the point (the published default of inference). Points are
        pixels at the size of the fit.
        """
        c = self.config
        size = c.height, c.width
        depth = rays.depths(c.samples)
        there, canonical = self.moved(rays.lift(points, depth, *size), source, target)
        chosen = rays.heaviest(self.seen(canonical).weights, there)
        found = rays.project(chosen, *size)
        on_ray = self.to_canonical(rays.lift(found, depth, *size), target)
        hidden = rays.in_front(self.seen(on_ray).weights, depth, chosen[..., 2])
        return found, jnp.clip(hidden, 0, 1)

    def predictions(
        self,
        points: Float[Array, "b n 2"],
        source: Int[Array, " b"],
        target: Int[Array, " b"],
        jitter: Float[Array, "b n s"],
    ) -> Predicted:
        """Returns what a fit compares; `jitter` in [0, 1) places every sample in its stratum."""
        c = self.config
        here = rays.lift(points, rays.depths(c.samples, jitter), c.height, c.width)
        there, canonical = self.moved(here, source, target)
        seen = self.seen(canonical)
        low, high = rays.DEPTHS
        known = (there[..., 2] >= low) & (there[..., 2] <= high)
        weight = seen.weights * known
        place = rays.project(jnp.sum(weight[..., None] * there, -2), c.height, c.width)
        return Predicted(here, there, weight, place, seen.rgb)

    def neighbours(
        self, x: Float[Array, "b n s 3"], ids: Int[Array, " b"]
    ) -> tuple[Float[Array, "b n s 3"], Float[Array, "b n s 3"]]:
        """Returns points of frames in the frames before and after them (or the first or last)."""
        both = jnp.concatenate([ids - 1, ids + 1]).clip(0, self.config.frames - 1)
        moved, _ = self.moved(jnp.concatenate([x, x]), jnp.concatenate([ids, ids]), both)
        before, after = jnp.split(moved, 2)
        return before, after

    def codes(self, ids: Int[Array, " b"]) -> tuple[Float[Array, " b"], Float[Array, "b c"]]:
        """Returns times (number + 1) / frames and their codes."""
        time = (ids + 1).astype(jnp.float32) / self.config.frames
        return time, self.times(time[:, None])

    def to_canonical(
        self, x: Float[Array, "b n s 3"], ids: Int[Array, " b"]
    ) -> Float[Array, "b n s 3"]:
        """Returns points of frames in the canonical space."""
        return self.bijection(*self.codes(ids), x)

    def from_canonical(
        self, x: Float[Array, "b n s 3"], ids: Int[Array, " b"]
    ) -> Float[Array, "b n s 3"]:
        """Returns points of the canonical space in frames."""
        return self.bijection(*self.codes(ids), x, inverse=True)

    def moved(
        self, x: Float[Array, "b n s 3"], source: Int[Array, " b"], target: Int[Array, " b"]
    ) -> tuple[Float[Array, "b n s 3"], Float[Array, "b n s 3"]]:
        """Returns points of frames `source` in frames `target`, and in the canonical space."""
        canonical = self.to_canonical(x, source)
        return self.from_canonical(canonical, target), canonical

    def radiance(self, x: Float[Array, "*b 3"]) -> tuple[Float[Array, "*b 3"], Float[Array, "*b"]]:
        """Returns colour in [0, 1] and density of canonical points, which are first brought into
        a sphere of radius 2 (mip-NeRF 360's contraction).
        """
        square = jnp.sum(x**2, -1, keepdims=True)
        far = square > 1
        length = jnp.sqrt(jnp.where(far, square, 1))
        out = self.field(jnp.where(far, (2 - 1 / length) * (x / length), x))
        return nn.sigmoid(out[..., :3]), nn.softplus(out[..., 3] - 1)

    def seen(self, canonical: Float[Array, "*b s 3"]) -> Seen:
        """Returns what samples of rays show, the nearest first."""
        color, density = self.radiance(canonical)
        alpha = 1 - jnp.exp(-density)
        weight = rays.weights(alpha)
        return Seen(color, alpha, weight, jnp.sum(weight[..., None] * color, -2))
