"""The restoration diffusion: single frames first, then whole clips (DA-Flow's stage 1,
"lifting").
"""

import dataclasses
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange

from daflow_jax import batch as batches
from daflow_jax.losses import rectified_flow
from daflow_jax.metrics import image as metrics
from daflow_jax.metrics import mean
from daflow_jax.ops import diffusion
from daflow_jax.tasks import base

BEST_PSNR = 60.0  # dB: clips that stay clean would make every mean infinite [choice]


@dataclasses.dataclass(frozen=True)
class Restoration:
    """Trains a restorer to bring `lq` to `hq` by rectified flow.

    Attributes:
        unit: what is restored together, every "frame" for itself or the whole "clip".
        weighting: which error is averaged, of the clean content "x0" or of the "velocity".
    """

    module: base.Network
    unit: str = "clip"
    weighting: str = "x0"
    best = "psnr"

    def __post_init__(self):
        if self.unit not in ("frame", "clip"):
            raise ValueError(f"unit is {self.unit!r}; write 'frame' or 'clip'")
        if self.weighting not in ("x0", "velocity"):
            raise ValueError(f"weighting is {self.weighting!r}; write 'x0' or 'velocity'")

    def init(self, rng: jax.Array, batch: batches.Batch) -> dict[str, Any]:
        """Returns the module's variables."""
        lq, _ = self._frames({key: batch[key][:1] for key in ("lq", "hq")})
        return dict(self.module.init(rng, lq, rng, method="features"))

    def loss(self, params, aux, batch: batches.Batch, rng: jax.Array) -> base.LossOut:
        """Returns the rectified-flow loss at one sigma per clip, noise independent per frame."""
        loss = self._objective({"params": params, **aux}, batch, rng)
        return base.LossOut(loss, {}, aux, jnp.sum(self._weight(batch, len(batch["lq"]))))

    def evaluate(self, params, aux, batch: batches.Batch, rng: jax.Array) -> dict[str, mean.Mean]:
        """Returns the training loss, and PSNR (dB) of a restoration in one step and of the
        input.
        """
        variables, (lq, hq) = {"params": params, **aux}, self._frames(batch)
        restored = self._call(variables, lq, rng, method="restore")
        weight = self._weight(batch, len(lq))
        loss = self._objective(variables, batch, rng)
        return {
            "loss": mean.Mean(loss * jnp.sum(weight), jnp.sum(weight)),
            "psnr": _psnr(restored, hq, weight),
            "psnr_lq": _psnr(lq, hq, weight),
        }

    def pictures(self, params, aux, batch: batches.Batch, rng: jax.Array) -> dict[str, np.ndarray]:
        """Returns the first frame: lq, hq, and its restoration in one step."""
        lq, hq = self._frames({key: jnp.asarray(batch[key][:1]) for key in ("lq", "hq")})
        run = jax.jit(
            lambda v, x, r: self._call(v, x, r, method="restore"), out_shardings=base.whole()
        )
        frames = {"lq": lq, "hq": hq, "restored": run({"params": params, **aux}, lq, rng)}
        return {
            key: np.asarray(jnp.round(255 * jnp.clip(x[0, 0], 0, 1))).astype(np.uint8)
            for key, x in frames.items()
        }

    def update_aux(self, aux, params, step):
        """Returns `aux` as it is."""
        return aux

    def _objective(self, variables, batch, rng) -> jax.Array:
        lq, hq = self._frames(batch)
        keys = jax.random.split(rng, 4)
        # one encoder call each: the hq latents are the target, never an input of the lq stream
        x0 = self._call(variables, hq, keys[0], method="encode")
        guide = self._call(variables, lq, keys[1], method="encode")
        sigma = diffusion.draw_sigma(keys[2], len(lq))
        noise = jax.random.normal(keys[3], x0.shape, x0.dtype)
        noisy = diffusion.add_noise(x0, noise, sigma)
        out = self._call(variables, noisy, guide, sigma)
        return rectified_flow.rectified_flow_loss(
            out.prediction,
            noisy,
            x0,
            noise,
            sigma,
            predicts=cast(Any, self.module).config.dit.prediction,
            weighting=cast(rectified_flow.Kind, self.weighting),
            weight=self._weight(batch, len(lq)),
        )

    def _call(self, variables, *inputs, method: str = "__call__") -> Any:
        """Returns what a method of the module returns (Linen's own type allows for new state)."""
        return self.module.apply(variables, *inputs, method=method)

    def _frames(self, batch) -> tuple[jax.Array, jax.Array]:
        lq, hq = batch["lq"], batch["hq"]
        if self.unit == "clip":
            return lq, hq
        return tuple(rearrange(x, "b f h w c -> (b f) 1 h w c") for x in (lq, hq))

    def _weight(self, batch, rows: int) -> jax.Array:
        weight = batch.get("weight", jnp.ones(len(batch["lq"]), jnp.float32))
        return jnp.repeat(weight, rows // len(weight))


def _psnr(frames, truth, weight) -> mean.Mean:
    """Returns the mean over frames of those rows that count; equal frames count as BEST_PSNR."""
    values = jnp.minimum(metrics.psnr(frames, truth), BEST_PSNR)
    return mean.Mean.of(values, jnp.broadcast_to(weight[:, None], values.shape))
