"""Frame interpolation: the frame between the first and the last of a clip (RIFE, sec. 3.3)."""

import dataclasses
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors, ranges
from daflow_jax.losses import distillation, laplacian
from daflow_jax.metrics import image as metrics
from daflow_jax.metrics import mean
from daflow_jax.models.outputs import InterpolationOutput
from daflow_jax.tasks import base, triplets
from daflow_jax.tasks.inputs import FRAMES, Batch, Inputs

BEST_PSNR = 60.0  # dB: still clips would make every mean infinite [choice]


@dataclasses.dataclass(frozen=True)
class Interpolation(base.BaseTask):
    """Trains an interpolator on clips of three frames or more, whose ends it is shown.

    Networks that know any time learn a random inner frame of each clip, others the middle one.

    Attributes:
        distill: weight of the teacher's flow (0.01; 0.005 or 0.002 for RIFE_m, by the authors'
            remark). The teacher, a block of the network, has the loss of its own frame beside it.
        teacher: whether there is one. Networks without can only be trained without.
        augment: turn, mirror and reverse clips and their colours at random.
    """

    module: base.Network
    distill: float = 0.01
    teacher: bool = True
    augment: bool = True
    best = "psnr"
    work_unit = "image"

    def __post_init__(self):
        ranges.check(self, distill=(0, 1e6))
        config = cast(Any, self.module).config
        if self.teacher and not getattr(config, "teacher", False):
            rule = f"{type(config).__name__} has no teacher (block_tea)"
            remedy = "Set config.task.teacher to False, or take weights that have one"
            raise errors.UserError("config.task.teacher", rule, remedy)
        if not self.teacher and getattr(config, "teacher", False):
            rule = "the network has a teacher, which would stay as it was drawn"
            remedy = "Set config.model.teacher to False as well"
            raise errors.UserError("config.task.teacher", rule, remedy)

    @property
    def inputs(self) -> Inputs:
        """Clean frames; their number is that of the clips."""
        return {"hq": FRAMES}

    def init(self, rng: jax.Array, batch: Batch) -> dict[str, Any]:
        """Returns the module's variables."""
        three = triplets.middle(_checked(batch["hq"][:1]))
        return dict(self.module.init(rng, three.pairs, three.times))

    def loss(self, params, aux, batch: Batch, rng: jax.Array) -> base.LossOut:
        """Returns the Laplacian losses of the result and of the teacher's frame, and the weighted
        distillation; metrics hold the parts, and PSNR.
        """
        three = triplets.middle(_checked(batch["hq"]))
        if self.augment:
            three = triplets.draw(rng, batch["hq"], self._any_time)
        out = self._learned({"params": params, **aux}, three)
        parts = self.parts(out, three.target)
        total = parts["laplacian"]
        if self.teacher:
            total = total + parts["teacher"] + self.distill * parts["distillation"]
        psnr = jnp.mean(_psnr(out.frames, three.target))
        return base.LossOut(total, {**parts, "psnr": psnr}, aux)

    def parts(self, out: InterpolationOutput, target: jax.Array) -> dict[str, jax.Array]:
        """Returns the terms of the loss by name, without their weights."""
        found = {"laplacian": laplacian.laplacian_loss(out.frames, target)}
        if self.teacher:
            assert out.teacher_flow is not None and out.teacher_frames is not None
            found["teacher"] = laplacian.laplacian_loss(out.teacher_frames, target)
            found["distillation"] = distillation.flow_distillation(
                out.flows, out.blends, out.teacher_flow, out.teacher_frames, target
            )
        return {name: jnp.mean(value) for name, value in found.items()}

    def evaluate(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, mean.Mean]:
        """Returns PSNR (dB) of the middle frame, of the network's blend before its correction, and
        of the plain mean of both ends; and the Laplacian loss.
        """
        three = triplets.middle(_checked(batch["hq"]))
        out = self._learned({"params": params, **aux}, three)
        ends = jnp.mean(three.pairs, 1)
        found = {"psnr": out.frames, "psnr_blend": out.blends[-1], "psnr_mean": ends}
        values = {name: _psnr(frames, three.target) for name, frames in found.items()}
        values["laplacian"] = laplacian.laplacian_loss(out.frames, three.target)
        return {name: mean.Mean.of(value, batch["weight"]) for name, value in values.items()}

    def pictures(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, np.ndarray]:
        """Returns the first clip: the true middle, the network's, and the plain mean."""
        three = triplets.middle(jnp.asarray(batch["hq"][:1]))
        variables = {"params": params, **aux}
        out = base.run_whole(Interpolation._learned, self, variables, three)
        frames = {"middle": three.target, "found": out.frames, "mean": jnp.mean(three.pairs, 1)}
        return {
            key: np.asarray(jnp.round(255 * jnp.clip(x[0], 0, 1))).astype(np.uint8)
            for key, x in frames.items()
        }

    def _learned(self, variables, three: triplets.Triplets) -> InterpolationOutput:
        return cast(Any, self.module).apply(variables, *three, method="learn")

    @property
    def _any_time(self) -> bool:
        return bool(cast(Any, self.module).config.any_time)


def _checked(clips):
    """Returns the clips; UserError for what has no middle, or no pyramid."""
    if clips.shape[1] < 3:
        rule = f"{clips.shape[1]}; a clip has two ends and a frame between them"
        raise errors.UserError("config.data.scene.frames", rule, "Use 3 or more")
    if min(clips.shape[2:4]) < laplacian.SMALLEST:
        rule = (
            f"{clips.shape[2]}x{clips.shape[3]} clips; the loss wants {laplacian.SMALLEST} a side"
        )
        raise errors.UserError("config.data.scene", rule, "Use larger clips")
    return clips


def _psnr(frames, truth) -> jax.Array:
    """Returns dB by picture; equal ones count as BEST_PSNR."""
    return jnp.minimum(metrics.psnr(frames, truth), BEST_PSNR)
