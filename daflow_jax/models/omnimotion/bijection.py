"""The bijection of a frame and the canonical space: coupling layers, maybe after a 2-D map."""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.omnimotion.config import FREQUENCIES, OmniMotionConfig
from daflow_jax.models.omnimotion.gabor import dense

LARGEST = 8.0  # of the logarithm of a coupling's scale
AFFINE_LAYERS = 8
_RATES = tuple(math.pi * 2.0**n for n in range(FREQUENCIES))


class Coupling(nn.Module):
    """Changes one coordinate by a scale and a shift that depend on the other two and the time.

    Forward is (y - t) exp(-s), its inverse y exp(s) + t.
    """

    changed: int
    projection: int
    hidden: int
    depth: int
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, code: Float[Array, "b c"], x: Float[Array, "b n s 3"], inverse: bool
    ) -> Float[Array, "b n s 3"]:
        kinds = dict[str, Any](param_dtype=self.param_dtype)
        kept = jnp.stack([x[..., i] for i in range(3) if i != self.changed], -1)
        angle = kept[..., None] * jnp.asarray(_RATES, x.dtype)
        waves = jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], -1)
        seen = jnp.concatenate([kept, waves.reshape(*kept.shape[:-1], -1)], -1)
        seen = nn.leaky_relu(dense(self.projection, seen.shape[-1], "project", **kinds)(seen))
        # one layer of both; the part of the time is the same for all points of a frame
        inputs = code.shape[-1] + self.projection
        y = dense(self.hidden, inputs, "first", **kinds)(seen)
        of_time = dense(self.hidden, inputs, "first_code", False, **kinds)(code)
        y = nn.leaky_relu(y + of_time[:, None, None])
        for number in range(1, self.depth):
            y = nn.leaky_relu(dense(self.hidden, self.hidden, f"hidden{number}", **kinds)(y))
        scale, shift = jnp.split(dense(2, self.hidden, "out", **kinds)(y), 2, -1)
        scale = jnp.clip(scale[..., 0], -LARGEST, LARGEST)
        old = x[..., self.changed]
        if inverse:
            new = old * jnp.exp(scale) + shift[..., 0]
        else:
            new = (old - shift[..., 0]) * jnp.exp(-scale)
        parts = [new if i == self.changed else x[..., i] for i in range(3)]
        return jnp.stack(parts, -1)


class Affine(nn.Module):
    """Turns, scales and shifts x and y by time and depth, or back; depth stays."""

    hidden: int
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, time: Float[Array, " b"], x: Float[Array, "b n s 3"], inverse: bool
    ) -> Float[Array, "b n s 3"]:
        depth = x[..., 2]
        angle = depth[..., None] * jnp.asarray(_RATES, x.dtype)
        waves = jnp.stack([jnp.sin(angle), jnp.cos(angle)], -1).reshape(*depth.shape, -1)
        when = jnp.broadcast_to(time[:, None, None], depth.shape)
        y = jnp.concatenate([waves, when[..., None], depth[..., None]], -1)
        for number in range(AFFINE_LAYERS - 1):
            layer = dense(self.hidden, y.shape[-1], f"hidden{number}", param_dtype=self.param_dtype)
            y = nn.relu(layer(y))
        theta = dense(5, self.hidden, "out", param_dtype=self.param_dtype)(y)
        return jnp.concatenate([_moved(theta, x[..., :2], inverse), depth[..., None]], -1)


def _moved(theta: Float[Array, "*b 5"], xy: Float[Array, "*b 2"], inverse: bool) -> jax.Array:
    """theta: angle, log scale and shift of x, log scale and shift of y."""
    angle, log_x, to_x, log_y, to_y = jnp.moveaxis(theta, -1, 0)
    x, y = xy[..., 0], xy[..., 1]
    cos, sin, scale_x, scale_y = jnp.cos(angle), jnp.sin(angle), jnp.exp(log_x), jnp.exp(log_y)
    a, b, c, d = scale_x * cos, -scale_x * sin, scale_y * sin, scale_y * cos
    if inverse:
        part = 1 / (a * d - b * c)
        to_x, to_y = (b * to_y - d * to_x) * part, (c * to_x - a * to_y) * part
        a, b, c, d = d * part, -b * part, -c * part, a * part
    moved = jnp.stack([a * x + b * y + to_x, c * x + d * y + to_y], -1)
    return moved / (1 + 1e-8)  # as published; 1 in float32


class Bijection(nn.Module):
    """All of it; see `OmniMotionConfig`."""

    config: OmniMotionConfig
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        time: Float[Array, " b"],
        code: Float[Array, "b c"],
        x: Float[Array, "b n s 3"],
        inverse: bool = False,
    ) -> Float[Array, "b n s 3"]:
        """Returns points of frames (time in (0, 1]) in the canonical space; `inverse`: back."""
        c, kinds = self.config, dict[str, Any](param_dtype=self.param_dtype)
        affine = Affine(c.affine_hidden, **kinds, name="affine") if c.affine else None
        steps = []
        for number, changed in enumerate(c.changed):
            own = dense(c.code, c.code, f"code{number}_hidden", **kinds)
            out = dense(c.code, c.code, f"code{number}", **kinds)
            layer = Coupling(
                changed, c.projection, c.hidden, c.depth, **kinds, name=f"coupling{number}"
            )
            steps.append((layer, out(nn.leaky_relu(own(code)))))
        if affine is not None and not inverse:
            x = affine(time, x, False)
        for layer, part in reversed(steps) if inverse else steps:
            x = layer(part, x, inverse)
        if affine is not None and inverse:
            x = affine(time, x, True)
        return x
