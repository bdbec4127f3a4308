"""Features that agree along flow: FlowE (Xiong et al., ICCV 2021) and PooDLe (ICLR 2025)."""

import dataclasses
from typing import Any, cast

import jax
import jax.numpy as jnp

from daflow_jax import errors, ranges
from daflow_jax.losses import dense_agreement
from daflow_jax.metrics import features as metrics
from daflow_jax.metrics import mean
from daflow_jax.nn import heads
from daflow_jax.ops import crops, dense_views, photometric, subcrops
from daflow_jax.tasks import base, pair_flow, student_teacher, views
from daflow_jax.tasks.inputs import FLOW, FLOW_BACK, FRAMES, MASK, Batch, Inputs

ENCODER = student_teacher.ENCODER


@dataclasses.dataclass(frozen=True)
class FlowEquivariance(student_teacher.StudentTeacher):
    """A student's cells of one frame predict a teacher's of the other, where the flow leads.

    Attributes:
        flow: a flow network of the library, frozen: `optimizer.frozen` holds "flow/.*" and
            `checkpoint.init_from` its weights. It sees the frames without augmentation.
        flow_from: the "batch" (true flow, or labels), the "network" `flow`, or, as controls, "none"
            (the same place) and "shuffled" (flow of another clip).
        iters: refinement steps of a flow network that refines.
        hidden, features: of projector and predictor. first_bias: PooDLe's have it, FlowE's not.
        predictor: False leaves it out, and the features collapse.
        momentum, momentum_steps: of the teacher; see `moving_average.momentum`.
        validity, threshold: where flow counts, "distance" (FlowE), "relative" (PooDLe) or
            "none"; see `pair_flow.find`.
        order: "exact", or "as_published": see `dense_views.along_flow`; end points outside of the
            frame then count where flow returns.
        every: compares one pixel of every `every` by `every`; 1 is published.
        rotation, scale, flip: of the views: degrees, share, share. color: strength of the jitter.
        pooled: weight of PooDLe's second objective on crops that follow the flow, 0..1; 0 is FlowE.
        crops, crop_size, min_area, max_area: per frame; pixels a side; shares of the frame.
        crop_pairs: "flow", or as controls "place" (the other frame, no flow), "same" (one frame).
    """

    module: base.Network
    flow: base.Network | None = None
    flow_from: str = "batch"
    iters: int = 12
    hidden: int = 4096
    features: int = 256
    first_bias: bool = False
    predictor: bool = True
    momentum: float = 0.996
    momentum_steps: int = 0
    validity: str = "distance"
    threshold: float = 3.54
    order: str = "exact"
    every: int = 1
    rotation: float = 10.0
    scale: float = 0.1
    flip: float = 0.5
    color: float = 1.0
    pooled: float = 0.0
    crops: int = 6
    crop_size: int = 192
    min_area: float = 0.05
    max_area: float = 0.3
    crop_pairs: str = "flow"
    best = "-loss"
    work_unit = "pair"

    def __post_init__(self):
        counts = dict(iters=(1, 1000), hidden=(1, 65536), features=(1, 65536), every=(1, 64))
        shares = dict(flip=(0, 1), pooled=(0, 1), color=(0, 1), momentum=(0, 1))
        sizes = dict(crops=(1, 256), crop_size=(1, 4096), momentum_steps=(0, ranges.COUNT))
        areas = dict.fromkeys(("min_area", "max_area"), (ranges.ABOVE_0, 1))
        angles = dict(rotation=(0, 180), scale=(0, ranges.BELOW_1), threshold=(0, 1e4))
        ranges.check(self, **counts, **shares, **sizes, **areas, **angles)
        choices = dict(flow_from=pair_flow.SOURCES, validity=pair_flow.RULES)
        orders = dict(order=("exact", "as_published"), crop_pairs=("flow", "place", "same"))
        ranges.check_choice(self, **choices, **orders)
        if self.min_area > self.max_area:
            raise ranges.wrong("min_area", self.min_area, "Use at most max_area")
        if (self.flow_from == "network") != (self.flow is not None):
            remedy = "Name a network in config.networks.flow and write 'network', or neither"
            raise ranges.wrong("flow_from", self.flow_from, remedy)

    @property
    def inputs(self) -> Inputs:
        """Two frames of clips in which something moves, and flow both ways where it is read."""
        frames = {"hq": FRAMES._replace(moving=True)}
        if self.flow_from not in ("batch", "shuffled"):
            return frames
        return frames | {"flow": FLOW, "flow_back": FLOW_BACK, "valid": MASK, "valid_back": MASK}

    def init(self, rng: jax.Array, batch: Batch) -> dict[str, Any]:
        """Returns the parts' variables, and a teacher equal to the student."""
        clip = batch["hq"][:1, :1]
        cells = jnp.zeros((1, 2, 2, self._config.features))
        low = jnp.zeros((1, 2, 2, self.features))
        parts = {ENCODER: (self.module, (clip,)), "projector": (self._projector, (cells,))}
        if self.predictor:
            parts["predictor"] = (self._predictor, (low,))
        if self.pooled:
            last = jnp.zeros((1, self._config.widths[-1]))
            parts["pooled_projector"] = (self._projector, (last,))
            parts["pooled_predictor"] = (self._predictor, (low[:, 0, 0],))
        variables = student_teacher.start(rng, parts)
        shared = [name for name in parts if not name.endswith("predictor")]
        variables = student_teacher.with_teacher(variables, shared)
        if self.flow is not None:
            made = pair_flow.init(self.flow, jax.random.fold_in(rng, 99), batch["hq"][:1])
            for collection, tree in made.items():
                variables.setdefault(collection, {})[pair_flow.PART] = tree
        return variables

    def loss(self, params, aux, batch: Batch, rng: jax.Array) -> base.LossOut:
        """Returns the loss over both directions of every pair, and its parts."""
        self._check(batch)
        student, teacher = self.pair(params, aux, train=True)
        loss, parts, _ = self._objective(student, teacher, params, aux, batch, rng)
        means = {name: jnp.mean(value) for name, value in parts.items()}
        return base.LossOut(jnp.mean(loss), means, self.moved(aux, student, teacher))

    def evaluate(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, mean.Mean]:
        """Returns the loss and its parts on running statistics, and the rank of the features."""
        student, teacher = self.pair(params, aux, train=False)
        loss, parts, cells = self._objective(student, teacher, params, aux, batch, rng)
        weight = jnp.repeat(batch["weight"], 2)
        rank = metrics.effective_rank(cells.reshape(-1, cells.shape[-1]))
        means = {name: mean.Mean.of(value, weight) for name, value in parts.items()}
        total = mean.Mean(rank * jnp.sum(weight), jnp.sum(weight))
        return {"loss": mean.Mean.of(loss, weight), **means, "rank": total}

    @property
    def _config(self) -> Any:
        return cast(Any, self.module).config

    @property
    def _projector(self) -> Any:
        return self._head(self.first_bias)

    @property
    def _predictor(self) -> Any:
        return self._head(self.first_bias)

    def _head(self, bias) -> Any:
        head = heads.ProjectionMLP(self.hidden, self.features, bias)
        return student_teacher.under(self.module, head)

    def _check(self, batch) -> None:
        if batch["hq"].shape[1] != 2:
            rule = f"{batch['hq'].shape[1]} frames; this task compares two"
            raise errors.UserError("config.data.scene.frames", rule, "Set it to 2, and data.gap")
        if self.pooled and self.crop_size % self._config.multiple:
            rule = f"{self.crop_size}; the encoder wants multiples of {self._config.multiple}"
            raise errors.UserError("config.task.crop_size", rule, "Use one")

    def _objective(self, student, teacher, params, aux, batch, rng):
        """Returns loss (2b,), its parts by name (2b,), and the student's cells."""
        keys = jax.random.split(rng, 5)

        def estimate(clips):
            return pair_flow.estimate(self.flow, params, aux, keys[4], clips, self.iters)

        rule = self.validity, self.threshold
        flows = pair_flow.find(self.flow_from, *rule, batch, estimate)
        here, _ = pair_flow.both_ways(batch["hq"])
        jitter = photometric.Jitter(blur_size=views.blur_size((here.shape[1], here.shape[2])))
        here = views.colored(keys[0], here, self.color, jitter)
        there = pair_flow.reverse(here)
        dense, share, cells = self._dense(student, teacher, here, there, flows, keys[1:3])
        parts = {"valid": share, "motion": jnp.linalg.norm(flows.flow, axis=-1).mean((1, 2))}
        if not self.pooled:
            return dense, parts, cells
        pooled = self._pooled(student, teacher, here, there, flows.flow, keys[3])
        loss = (1 - self.pooled) * dense + self.pooled * pooled
        return loss, {**parts, "dense": dense, "pooled": pooled}, cells

    def _dense(self, student, teacher, here, there, flows, keys):
        by = views.Range(self.rotation, self.scale, self.flip)
        seen, own = views.draw(keys[0], here, by)
        other, theirs = views.draw(keys[1], there, by)
        cells = student(ENCODER, self.module, seen[:, None])[:, 0]
        online = student("projector", self._projector, cells)
        if self.predictor:
            online = student("predictor", self._predictor, online)
        target = teacher(ENCODER, self.module, other[:, None])[:, 0]
        target = jax.lax.stop_gradient(teacher("projector", self._projector, target))
        size = here.shape[1:3]
        where = dense_views.points(size, self.every)
        online = dense_views.on_pixels(online, own.flip, size)
        online = dense_views.at_frame(online, own, where)
        target = dense_views.on_pixels(target, theirs.flip, size)
        target = dense_views.along_flow(target, theirs, flows.flow, where, self.order)
        valid = dense_views.at(flows.known & own.covered, where)
        if self.order == "exact":
            valid = valid & dense_views.landing_known(flows.flow, theirs, where)
        else:
            valid = valid & dense_views.at(theirs.covered, where)
        share = jnp.mean(valid, (1, 2), dtype=jnp.float32)
        return dense_agreement.agreement(online, target, valid), share, cells

    def _pooled(self, student, teacher, here, there, flow, rng):
        follow = flow if self.crop_pairs == "flow" else jnp.zeros_like(flow)
        bounds = self.crops, self.min_area, self.max_area
        keys = jax.random.split(rng, len(here))
        drawn = jax.vmap(lambda key, f: subcrops.draw(key, f, *bounds))(keys, follow)
        paired = drawn.paired & (self.crop_pairs != "same")
        side = (self.crop_size, self.crop_size)

        def cut(images, boxes):
            spread = jnp.broadcast_to(images[:, None], (len(images), self.crops, *images.shape[1:]))
            return crops.crop_and_resize(spread, boxes, side)

        first = cut(here, drawn.online)
        second = jnp.where(
            paired[..., None, None, None], cut(there, drawn.teacher), cut(here, drawn.teacher)
        )
        flat = lambda x: x.reshape(-1, 1, *side, 3)  # noqa: E731
        online = student(ENCODER, self.module, flat(first), method="pooled")[:, 0]
        online = student("pooled_projector", self._projector, online)
        online = student("pooled_predictor", self._predictor, online)
        target = teacher(ENCODER, self.module, flat(second), method="pooled")[:, 0]
        target = jax.lax.stop_gradient(teacher("pooled_projector", self._projector, target))
        distance = dense_agreement.cosine_distance(online, target)
        return jnp.mean(distance.reshape(len(here), self.crops), 1)
