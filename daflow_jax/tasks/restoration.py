"""The restoration diffusion: single frames first, then whole clips (DA-Flow's stage 1,
"lifting").
"""

import dataclasses
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange

from daflow_jax import errors, ranges
from daflow_jax.losses import correspondence, rectified_flow
from daflow_jax.metrics import correspondence as matching
from daflow_jax.metrics import image as metrics
from daflow_jax.metrics import mean
from daflow_jax.ops import diffusion, tokens
from daflow_jax.tasks import base
from daflow_jax.tasks.inputs import FLOW, FRAMES, MASK, Batch, Inputs, optional

BEST_PSNR = 60.0  # dB: clips that stay clean would make every mean infinite [choice]


@dataclasses.dataclass(frozen=True)
class Restoration(base.BaseTask):
    """Trains a restorer to bring `lq` to `hq` by rectified flow.

    Attributes:
        unit: what is restored together, every "frame" for itself or the whole "clip".
        weighting: which error is averaged, of the clean content "x0" or of the "velocity".
        copy, match: weights of two losses on the taps, with unit "clip" only; at 0 they are not
            computed. Frames are put together from clean patches of their neighbours, fetched by
            the similarity of the taps; the taps match where the true flow leads (the batch needs
            flow and valid). See `losses.correspondence`.
        first_step_share: the share of clips that are shown pure noise (sigma 1), on average: the
            step whose taps are read for flow, and which the usual draw of sigma rarely meets.
    """

    module: base.Network
    unit: str = "clip"
    weighting: str = "x0"
    copy: float = 0.0
    match: float = 0.0
    first_step_share: float = 0.0
    best = "psnr"

    def __post_init__(self):
        weights = dict(copy=(0, 1e6), match=(0, 1e6))
        ranges.check(self, **weights, first_step_share=(0, 1))
        ranges.check_choice(self, unit=("frame", "clip"), weighting=("x0", "velocity"))
        for name in ("copy", "match"):
            if getattr(self, name) and self.unit != "clip":
                raise ValueError(f"{name} compares frames and unit is 'frame'; write unit 'clip'")

    @property
    def work_unit(self) -> str:
        """What is restored together."""
        return "clip" if self.unit == "clip" else "image"

    @property
    def inputs(self) -> Inputs:
        """Both streams; true flow where the taps are to match it, or to be scored by it."""
        as_needed = (lambda declared: declared) if self.match else optional
        return {
            "lq": FRAMES,
            "hq": FRAMES,
            "flow": as_needed(FLOW),
            "valid": as_needed(MASK),
            "occlusion": optional(MASK),
        }

    def init(self, rng: jax.Array, batch: Batch) -> dict[str, Any]:
        """Returns the module's variables."""
        lq, _ = self._frames({key: batch[key][:1] for key in ("lq", "hq")})
        return dict(self.module.init(rng, lq, rng, method="features"))

    def loss(self, params, aux, batch: Batch, rng: jax.Array) -> base.LossOut:
        """Returns the rectified-flow loss at one sigma per clip, noise independent per frame, and
        the weighted losses on the taps; metrics hold the parts where there are several.
        """
        loss, parts = self._objective({"params": params, **aux}, batch, rng)
        return base.LossOut(loss, parts, aux, jnp.sum(self._weight(batch, len(batch["lq"]))))

    def evaluate(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, mean.Mean]:
        """Returns the training loss, PSNR (dB) of a restoration in one step and of the input, and
        of clips with true flow how well the taps of the first step match (`epe_block3`, pixels,
        and `pck_block3`) beside zero flow.
        """
        variables, (lq, hq) = {"params": params, **aux}, self._frames(batch)
        restored = self._restored(variables, lq, rng)
        weight = self._weight(batch, len(lq))
        loss, _ = self._objective(variables, batch, rng)
        return {
            "loss": mean.Mean(loss * jnp.sum(weight), jnp.sum(weight)),
            "psnr": _psnr(restored, hq, weight),
            "psnr_lq": _psnr(lq, hq, weight),
            **self._matching(variables, batch, rng),
        }

    def pictures(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, np.ndarray]:
        """Returns the first frame: lq, hq, and its restoration in one step."""
        lq, hq = self._frames({key: jnp.asarray(batch[key][:1]) for key in ("lq", "hq")})
        variables = {"params": params, **aux}
        restored = base.run_whole(Restoration._restored, self, variables, lq, rng)
        frames = {"lq": lq, "hq": hq, "restored": restored}
        return {
            key: np.asarray(jnp.round(255 * jnp.clip(x[0, 0], 0, 1))).astype(np.uint8)
            for key, x in frames.items()
        }

    def _restored(self, variables, lq, rng):
        return self._call(variables, lq, rng, method="restore")

    def _objective(self, variables, batch, rng) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Returns the loss, and its parts by name where there are several."""
        lq, hq = self._frames(batch)
        keys = jax.random.split(rng, 4)
        # one encoder call each: the hq latents are the target, never an input of the lq stream
        x0 = self._call(variables, hq, keys[0], method="encode")
        guide = self._call(variables, lq, keys[1], method="encode")
        sigma = self._sigma(keys[2], len(lq))
        noise = jax.random.normal(keys[3], x0.shape, x0.dtype)
        noisy = diffusion.add_noise(x0, noise, sigma)
        out = self._call(variables, noisy, guide, sigma)
        loss = rectified_flow.rectified_flow_loss(
            out.prediction,
            noisy,
            x0,
            noise,
            sigma,
            predicts=cast(Any, self.module).config.dit.prediction,
            weighting=cast(rectified_flow.Kind, self.weighting),
            weight=self._weight(batch, len(lq)),
        )
        parts = {}
        if self.copy:
            parts["copy"] = self._copy(out.taps, batch)
        if self.match:
            parts["match"] = self._match(out.taps, batch)
        total = loss + sum(getattr(self, name) * part for name, part in parts.items())
        return (total, {"restoration": loss, **parts}) if parts else (loss, parts)

    def _sigma(self, rng, count: int) -> jax.Array:
        sigma = diffusion.draw_sigma(rng, count)
        if not self.first_step_share:
            return sigma
        first = jax.random.uniform(jax.random.fold_in(rng, 1), (count,)) < self.first_step_share
        return jnp.where(first, 1.0, sigma)

    def _copy(self, taps, batch) -> jax.Array:
        """Returns the mean of the taps' cross-frame copy loss."""
        patches = correspondence.patches_of(batch["hq"], self._patch_size)
        weight = self._weight(batch, len(batch["hq"]))
        each = [correspondence.copy_loss(tap.query, tap.key, patches, weight) for tap in taps]
        return jnp.mean(jnp.stack(each))

    def _matching(self, variables, batch, rng) -> dict[str, mean.Mean]:
        if self.unit != "clip" or not {"flow", "valid"} <= set(batch):
            return {}
        truth, rows = batch["flow"], batch["lq"].shape[2] // self._patch_size
        counted = self._weight(batch, len(truth)) > 0
        visible = _visible(batch) & counted[:, None, None, None]
        flows = {"zero": jnp.zeros_like(tokens.flow(truth, visible, self._patch_size)[0])}
        taps = self._call(variables, batch["lq"], rng, method="features")
        for block, tap in zip(cast(Any, self.module).config.dit.taps, taps, strict=True):
            query, key = (rearrange(x, "b f (h w) c -> b f h w c", h=rows) for x in tap)
            flows[f"block{block}"] = matching.matches(query[:, :-1], key[:, 1:])
        return {
            f"{metric}_{name}": value
            for name, flow in flows.items()
            for metric, value in matching.score(flow, truth, visible, self._patch_size).items()
        }

    def _match(self, taps, batch) -> jax.Array:
        """Returns the mean of the taps' cross-entropy with the true matches."""
        for key in ("flow", "valid"):
            if key not in batch:
                rule = f"lacks {key!r}, which task.match reads"
                raise errors.UserError("config.data.keys", rule, "Add it, or set task.match to 0")
        flow, visible = tokens.flow(batch["flow"], _visible(batch), self._patch_size)
        weight = self._weight(batch, len(batch["flow"]))
        each = [
            correspondence.match_loss(tap.query, tap.key, flow, visible, weight) for tap in taps
        ]
        return jnp.mean(jnp.stack(each))

    @property
    def _patch_size(self) -> int:
        """The side of a token in pixels."""
        return cast(Any, self.module).config.multiple

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


def _visible(batch) -> jax.Array:
    """Returns where the flow is known and, as far as the batch says, not occluded."""
    return batch["valid"] & ~batch.get("occlusion", jnp.zeros_like(batch["valid"]))


def _psnr(frames, truth, weight) -> mean.Mean:
    """Returns the mean over frames of those rows that count; equal frames count as BEST_PSNR."""
    values = jnp.minimum(metrics.psnr(frames, truth), BEST_PSNR)
    return mean.Mean.of(values, jnp.broadcast_to(weight[:, None], values.shape))
