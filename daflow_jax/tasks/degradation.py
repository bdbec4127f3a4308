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
    """

    module: base.Network
    scales: tuple[float, ...] = (0.25, 0.5)
    best = "-loss"

    def __post_init__(self):
        ranges.check(self, scales=(ranges.ABOVE_0, 1))

    @property
    def inputs(self) -> Inputs:
        """Clips before and after they were degraded."""
        return {"lq": FRAMES, "hq": FRAMES}

    def init(self, rng: jax.Array, batch: Batch) -> dict[str, Any]:
        """Returns the module's variables."""
        return dict(self.module.init(rng, jnp.asarray(batch["lq"][:1])))

    def loss(self, params, aux, batch: Batch, rng: jax.Array) -> base.LossOut:
        """Returns the cross-entropy of both classes, a weighted mean over the sizes."""
        values = self._values({"params": params, **aux}, batch)
        counted = {name: mean.Mean.of(x, batch["weight"]) for name, x in values.items()}
        loss = counted.pop("loss")
        return base.LossOut(loss.compute(), counted, aux, loss.weight)

    def evaluate(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, mean.Mean]:
        """Returns the loss, and the shares of clean and of degraded clips that are called so at
        their own size."""
        values = self._values({"params": params, **aux}, batch)
        return {name: mean.Mean.of(x, batch["weight"]) for name, x in values.items()}

    def _values(self, variables, batch) -> dict[str, Float[Array, " b"]]:
        total = jnp.zeros(len(batch["lq"]))
        for share in (*self.scales, 1.0):
            clean, degraded = (self._logits(variables, batch[key], share) for key in ("hq", "lq"))
            total += share * (nn.softplus(clean) + nn.softplus(-degraded)) / 2
        return {
            "loss": total / (1 + sum(self.scales)),
            "clean": jnp.where(clean < 0, 1.0, 0.0),
            "degraded": jnp.where(degraded > 0, 1.0, 0.0),
        }

    def _logits(self, variables, frames, share: float) -> Float[Array, " b"]:
        height, width = (round(share * side) for side in frames.shape[2:4])
        seen = jnp.round(255 * frames) / 255  # else clean frames could be told by their many levels
        small = scales.images_at(seen, (height, width))
        return self.module.apply(variables, small, method="degradation")
