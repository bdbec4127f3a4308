"""Telling degraded clips from clean ones, for networks that adapt to how degraded a clip is."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax import ranges
from daflow_jax.metrics import mean
from daflow_jax.ops import scales
from daflow_jax.tasks import base
from daflow_jax.tasks.inputs import FRAMES, Batch, Inputs


@dataclasses.dataclass(frozen=True)
class Degradation(base.BaseTask):
    """Trains a network's `degradation` to give `lq` a high logit and `hq` a low one.

    Attributes:
        module: a network with a method `degradation`, clips (b, f, h, w, 3) -> logits (b,).
        scales: sizes at which the clips are shown besides their own, as shares of it: those of
            estimation from coarse to fine. Each counts as much as its share.
        noise, softness: what good cameras leave, on clips of both kinds: the largest deviation of
            white noise, [0, 1], and the largest weight of each neighbour in a blur along each axis.
    """

    module: base.Network
    scales: tuple[float, ...] = (0.25, 0.5)
    noise: float = 3 / 255  # [choice]
    softness: float = 0.15  # [choice] a Gaussian of 0.6 pixels
    best = "-loss"

    def __post_init__(self):
        ranges.check(self, scales=(ranges.ABOVE_0, 1), noise=(0, 1), softness=(0, 1 / 3))

    @property
    def inputs(self) -> Inputs:
        """Clips before and after they were degraded."""
        return {"lq": FRAMES, "hq": FRAMES}

    def init(self, rng: jax.Array, batch: Batch) -> dict[str, Any]:
        """Returns the module's variables."""
        return dict(self.module.init(rng, jnp.asarray(batch["lq"][:1])))

    def loss(self, params, aux, batch: Batch, rng: jax.Array) -> base.LossOut:
        """Returns the cross-entropy of both classes, a weighted mean over the sizes."""
        values = self._values({"params": params, **aux}, batch, rng)
        counted = {name: mean.Mean.of(x, batch["weight"]) for name, x in values.items()}
        loss = counted.pop("loss")
        return base.LossOut(loss.compute(), counted, aux, loss.weight)

    def evaluate(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, mean.Mean]:
        """Returns the loss, and the shares of clean and of degraded clips that are called so at
        their own size."""
        values = self._values({"params": params, **aux}, batch, rng)
        return {name: mean.Mean.of(x, batch["weight"]) for name, x in values.items()}

    def _values(self, variables, batch, rng) -> dict[str, Float[Array, " b"]]:
        total = jnp.zeros(len(batch["lq"]))
        keys = jax.random.split(rng)
        seen = [self._seen(batch[name], key) for name, key in zip(("hq", "lq"), keys, strict=True)]
        for share in (*self.scales, 1.0):
            clean, degraded = (self._logits(variables, frames, share) for frames in seen)
            total += share * (nn.softplus(clean) + nn.softplus(-degraded)) / 2
        return {
            "loss": total / (1 + sum(self.scales)),
            "clean": jnp.where(clean < 0, 1.0, 0.0),
            "degraded": jnp.where(degraded > 0, 1.0, 0.0),
        }

    def _seen(self, frames: Float[Array, "b f h w 3"], rng: jax.Array) -> Float[Array, "b f h w 3"]:
        """Returns clips as a camera would give them, in 8 bits: else the many levels of clean
        frames would tell them."""
        keys, rows = jax.random.split(rng, 3), (len(frames), 1, 1, 1, 1)
        weight = self.softness * jax.random.uniform(keys[0], rows)
        deviation = self.noise * jax.random.uniform(keys[1], rows)
        for axis in (2, 3):
            frames += weight * (_beside(frames, 1, axis) + _beside(frames, -1, axis) - 2 * frames)
        frames += deviation * jax.random.normal(keys[2], frames.shape)
        return jnp.round(255 * jnp.clip(frames, 0, 1)) / 255

    def _logits(self, variables, frames, share: float) -> Float[Array, " b"]:
        height, width = (round(share * side) for side in frames.shape[2:4])
        small = scales.images_at(frames, (height, width))
        return self.module.apply(variables, small, method="degradation")


def _beside(x: jax.Array, step: int, axis: int) -> jax.Array:
    """Returns the neighbours along an axis; beyond the border it is the border itself."""
    size = x.shape[axis]
    return jnp.take(x, jnp.clip(jnp.arange(size) + step, 0, size - 1), axis)
