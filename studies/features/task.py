"""The losses of an arm on one batch: flow, and what its descriptors must do besides."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from einops import rearrange

from daflow_jax import tasks
from daflow_jax.losses import correspondence, feature_restoration, sequence
from daflow_jax.metrics import flow as metrics
from daflow_jax.models.daflow_cost.model import Noise
from daflow_jax.models.outputs import FlowOutput
from daflow_jax.models.raft.model import RAFT
from daflow_jax.ops import tokens, windows
from daflow_jax.tasks import optical_flow
from studies.features.arms import Arm

NOISE_ALONE = 0.25  # share of a diffusion's clips that start from noise alone, as inference does


@dataclasses.dataclass(frozen=True)
class Losses(optical_flow.OpticalFlow):
    """What one arm descends: the sequence loss of optical flow, and its own.

    Attributes:
        arm: its weights of losses.
        teacher: the published RAFT whose encoder says what clean features are, and its variables.
        alone: the restoration alone: no flow is estimated.
    """

    arm: Arm = Arm("")
    teacher: tuple[RAFT, Any] | None = None
    alone: bool = False

    def loss(self, params: Any, aux: Any, batch: Any, rng: jax.Array) -> tasks.LossOut:
        """Returns the weighted sum, and every part of it."""
        clean = self._clean(batch)
        noise = self._noise(clean, jax.random.fold_in(rng, 1))
        rngs, options = {"noise": rng}, dict[str, Any](iters=self.iters, all_iterations=True)
        variables = {"params": params, **aux}
        parts: dict[str, jax.Array] = {}
        out, found = None, None
        if self.alone:
            found = self.module.apply(
                variables, batch["lq"], noise, rngs=rngs, method="match_features"
            )
        elif self.arm.second is None:
            out = self.module.apply(variables, batch["lq"], **options)
        else:
            out, found = self.module.apply(
                variables, batch["lq"], noise=noise, rngs=rngs, method="with_descriptors", **options
            )
        if out is not None:
            parts |= self._flow(out, batch)
        if found is not None:
            parts |= self._descriptors(found, clean, batch)
        loss = sum(self._share(name) * value for name, value in parts.items())
        return tasks.LossOut(jnp.asarray(loss), parts, aux)

    def _share(self, name: str) -> float:
        return {"sequence": 1.0, "epe": 0.0}.get(name, getattr(self.arm, name, 0.0))

    def _flow(self, out: FlowOutput, batch) -> dict[str, jax.Array]:
        valid, target = optical_flow.usable(batch), batch["flow"]
        known = valid.astype(jnp.float32)
        loss = sequence.sequence_loss(out.flows, target, known, self.gamma, self.max_flow)
        return {"sequence": loss, "epe": metrics.epe(out.flows[-1], target, valid).compute()}

    def _descriptors(self, found, clean, batch) -> dict[str, jax.Array]:
        arm, weight = self.arm, batch["weight"]
        parts = {}
        if clean is not None:
            parts["restore"] = feature_restoration.cosine_loss(found, clean, weight)
            parts["rows"] = feature_restoration.row_loss(found, clean, weight)
        side = batch["lq"].shape[2] // found.shape[2]
        flat = rearrange(found, "b f h w c -> b f (h w) c")
        if arm.copy:
            patches = correspondence.patches_of(batch["hq"], side)
            parts["copy"] = correspondence.copy_loss(flat, flat, patches, weight)
        if arm.match:
            visible = batch["valid"] & ~batch["occlusion"]
            moved, seen = tokens.flow(batch["flow"], visible, side)
            moving = seen & (jnp.linalg.norm(moved, axis=-1) > 1)
            parts["match"] = correspondence.match_loss(flat, flat, moved, moving, weight)
        return parts

    def _clean(self, batch):
        """Returns the features of the clean frames under the frozen published encoder."""
        if not self.arm.restore or self.teacher is None:
            return None
        module, variables = self.teacher
        found: Any = module.apply(variables, batch["hq"], method="features")
        return jax.lax.stop_gradient(windows.standardised(found))

    def _noise(self, clean, rng):
        if clean is None or not (self.arm.second or {}).get("lift", {}).get("diffusion"):
            return None
        keys = jax.random.split(rng)
        time = jax.random.uniform(keys[0], clean.shape[:1])
        whole = jax.random.uniform(keys[1], clean.shape[:1]) < NOISE_ALONE
        return Noise(clean, jnp.where(whole, 1.0, time))
