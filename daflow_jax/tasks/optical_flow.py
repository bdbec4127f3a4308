"""Supervised optical flow on degraded clips, by any network with the flow call."""

import dataclasses
import math
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import models, ranges, viz
from daflow_jax.losses import mixture_of_laplace, multiscale, sequence
from daflow_jax.metrics import flow as metrics
from daflow_jax.metrics import mean
from daflow_jax.models.outputs import FlowOutput
from daflow_jax.ops import coarse_to_fine, laplace, scales
from daflow_jax.tasks import base
from daflow_jax.tasks.inputs import FLOW, FRAMES, MASK, Batch, Inputs, optional


@dataclasses.dataclass(frozen=True)
class OpticalFlow(base.BaseTask):
    """Trains any network with the flow call on `lq`; `hq` is only shown in pictures.

    Networks that predict a mixture of Laplace (SEA-RAFT; RAFT and DA-Flow whose configuration
    says `uncertainty`) descend its likelihood, those that predict several sizes at once (FlowNet,
    PWC-Net) a multi-scale loss, others the absolute error, over all predictions.

    Attributes:
        iters: refinement steps in training and evaluation, of networks that refine.
        gamma, max_flow: of the loss (RAFT, sec. 3.4): what each earlier prediction counts less, and
            the length in pixels from which targets are left out.
        batch_norm: "train" (batch statistics, updated) or "frozen" (running statistics; scale and
            bias still learn), as RAFT does after its first stage.
        scales: smaller sizes that are estimated first, ascending, in (0, 1): the refinement of each
            size starts from the flow of the one before (`ops.coarse_to_fine`). All sizes learn,
            each in its own pixels; gradients do not cross sizes. Frames of sizes that the network
            does not take are padded. Wants a network that refines.
        objective: name of a multi-scale loss (`losses.multiscale.PUBLISHED`), of networks that
            have one; "" is that of the network's configuration.
    """

    module: base.Network
    iters: int = 12
    gamma: float = 0.8
    max_flow: float = 400.0
    batch_norm: str = "frozen"
    scales: tuple[float, ...] = ()
    objective: str = ""
    best = "-epe"
    work_unit = "pair"

    def __post_init__(self):
        above = dict(max_flow=(ranges.ABOVE_0, math.inf))
        ranges.check(self, iters=(1, 1000), gamma=(0, 1), scales=(1 / 64, ranges.BELOW_1), **above)
        ranges.check_choice(self, batch_norm=("train", "frozen"))
        if list(self.scales) != sorted(set(self.scales)):
            raise ranges.wrong("scales", self.scales, "Write them in ascending order, (0.25, 0.5)")
        if self.scales and not self._refines:
            raise ValueError("scales wants a network that refines; this one takes no start: use ()")
        own = self._default_objective
        if self.objective and not own:
            raise ranges.wrong("objective", self.objective, 'This network has no such loss: use ""')
        ranges.check_choice(self, objective=("", *multiscale.PUBLISHED) if own else ("",))

    @property
    def inputs(self) -> Inputs:
        """Degraded frames and true flow; clean frames are only shown."""
        return {
            "lq": FRAMES,
            "hq": optional(FRAMES),
            "flow": FLOW,
            "valid": MASK,
        }

    def init(self, rng: jax.Array, batch: Batch) -> dict[str, Any]:
        """Returns the module's variables; parameters depend on no batch size."""
        keys = {"params": rng, **self._keys(jax.random.fold_in(rng, 1))}
        options = {"iters": 1} if self._refines else {}
        return dict(self.module.init(keys, batch["lq"][:1], **options))

    def loss(self, params, aux, batch: Batch, rng: jax.Array) -> base.LossOut:
        """Returns the loss, the error of the last prediction, and new batch statistics."""
        outs, aux = self._estimate(params, aux, batch["lq"], rng, train=True)
        valid = usable(batch)
        targets = [_target(batch["flow"], valid, out) for out in outs]
        losses = [self._objective(out, *target) for out, target in zip(outs, targets, strict=True)]
        loss, out = sum(losses[1:], losses[0]) / len(losses), outs[-1]
        weight = self._weight(out, *targets[-1])
        near = valid & (jnp.linalg.norm(batch["flow"], axis=-1) < self.max_flow)
        return base.LossOut(loss, _errors(out.flows[-1], batch["flow"], near), aux, weight)

    def evaluate(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, mean.Mean]:
        """Returns epe (pixels) and the shares of pixels wrong by more than 1, 3 and 5 pixels."""
        outs, _ = self._estimate(params, aux, batch["lq"], rng, train=False)
        return _errors(outs[-1].flows[-1], batch["flow"], usable(batch))

    def pictures(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, np.ndarray]:
        """Returns the first pair: lq, hq, flow, target (one colour scale), error, uncertainty."""
        first = {key: jnp.asarray(x[:1]) for key, x in batch.items()}
        out = base.run_whole(OpticalFlow._last, self, params, aux, first["lq"], rng)
        flow, target = np.asarray(out.flows[-1, 0, 0]), np.asarray(first["flow"][0, 0])
        valid = np.asarray(usable(first)[0, 0])
        return {
            **{key: _picture(first[key][0, 0]) for key in ("lq", "hq") if key in first},
            **flow_pictures(flow, target, valid),
            **self._uncertainty(out),
        }

    @property
    def _entry(self) -> models.Entry | None:
        """What is registered of the network; None: nothing, it is called as RAFT is."""
        try:
            return models.entry_of(getattr(self.module, "config", None))
        except KeyError:
            return None

    @property
    def _refines(self) -> bool:
        return self._entry is None or self._entry.refines

    @property
    def _default_objective(self) -> str:
        return getattr(getattr(self.module, "config", None), "objective", "")

    def _keys(self, rng) -> dict[str, jax.Array]:
        streams = ("noise",) if self._entry is None else self._entry.streams
        return {name: rng for name in streams}

    def _objective(self, out: FlowOutput, target, valid) -> jax.Array:
        if out.levels is not None:
            chosen = multiscale.PUBLISHED[self.objective or self._default_objective]
            return multiscale.loss(out.levels, target, valid >= 0.5, chosen)
        if out.info is None:
            return sequence.sequence_loss(out.flows, target, valid, self.gamma, self.max_flow)
        return mixture_of_laplace.mixture_loss(
            out.flows, out.info, target, valid, self.gamma, self.max_flow, self._bounds()
        )

    def _weight(self, out: FlowOutput, target, valid) -> jax.Array | float:
        """Returns 1 for the absolute error, a mean over all pixels; the likelihood's is over the
        usable ones."""
        if out.info is None:
            return 1.0
        counted = mixture_of_laplace.usable(target, valid, self.max_flow)
        return jnp.sum(counted, dtype=jnp.float32)

    def _uncertainty(self, out: FlowOutput) -> dict[str, np.ndarray]:
        """Returns a picture of how unsure the flow is, black = sure, if the network predicts it."""
        if out.info is None:
            return {}
        level = laplace.uncertainty(out.info[-1, 0, :1], self._bounds())[0]
        grey = level / jnp.maximum(jnp.max(level), 1e-6)
        return {"uncertainty": _picture(jnp.repeat(grey[..., None], 3, axis=-1))}

    def _bounds(self) -> laplace.Bounds:
        config = cast(Any, self.module).config
        return config.var_min, config.var_max

    def _last(self, params, aux, frames, rng) -> FlowOutput:
        return self._estimate(params, aux, frames, rng, train=False)[0][-1]

    def _estimate(self, params, aux, frames, rng, train: bool) -> tuple[list[FlowOutput], Any]:
        """Returns what the network gives at every size, the whole one last, and new `aux`."""

        def run(frames, start):
            nonlocal aux
            out, aux = self._apply(params, aux, frames, start, rng, train)
            return out

        if not self.scales:
            return [run(frames, None)], aux
        config = cast(Any, self.module).config
        grid = coarse_to_fine.Grid(config.multiple, config.minimum, config.stride)
        steps = coarse_to_fine.sizes(frames.shape[2:4], self.scales, smallest=1)
        return coarse_to_fine.estimate(run, frames, steps, grid), aux

    def _apply(self, params, aux, frames, start, rng, train: bool) -> tuple[FlowOutput, Any]:
        variables, options = {"params": params, **aux}, dict[str, Any](rngs=self._keys(rng))
        if self._refines:
            options |= dict(iters=self.iters, all_iterations=train, init_flow=start)
        elif self._entry is not None and self._entry.all_scales:
            options |= dict(all_scales=train)
        if not (train and self.batch_norm == "train" and "batch_stats" in aux):
            return cast(FlowOutput, self.module.apply(variables, frames, **options)), aux
        out, new = self.module.apply(
            variables, frames, train=True, mutable=["batch_stats"], **options
        )
        return out, {**aux, **new}


def usable(batch: Batch) -> jax.Array:
    """Returns `valid` without the rows that only pad the batch, bool (b, f-1, h, w)."""
    valid = batch["valid"]
    if "weight" in batch:
        valid = valid & (batch["weight"] > 0)[:, None, None, None]
    return valid


def _target(flow, valid, out: FlowOutput) -> tuple[jax.Array, jax.Array]:
    """Returns the true flow at the size of `out`, and where it counts as 0. or 1."""
    height, width = out.flows.shape[-3:-1]
    if (height, width) != flow.shape[-3:-1]:
        flow, valid = scales.target_at(flow, valid, (height, width))
    return flow, valid.astype(jnp.float32)


def flow_pictures(flow: np.ndarray, target: np.ndarray, valid: np.ndarray) -> dict[str, np.ndarray]:
    """Returns colour wheels of both flows at the target's scale, and the error."""
    known = np.where(valid[..., None], target, 0.0)
    scale = max(float(np.linalg.norm(known, axis=-1).max()), 1.0)
    return {
        "flow": viz.flow_to_rgb(flow, scale),
        "target": viz.flow_to_rgb(target, scale, valid),
        "error": viz.error_to_rgb(flow, target, valid),
    }


def _errors(flow, target, valid) -> dict[str, mean.Mean]:
    shares = {f"out{px}": metrics.outliers(flow, target, valid, float(px)) for px in (1, 3, 5)}
    return {"epe": metrics.epe(flow, target, valid), **shares}


def _picture(frame) -> np.ndarray:
    return np.asarray(jnp.round(255 * jnp.clip(frame, 0, 1))).astype(np.uint8)
