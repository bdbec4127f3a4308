"""Contrast of whole crops and of their cells: DenseCL (CVPR 2021)."""

import dataclasses
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from daflow_jax import errors, ranges
from daflow_jax.losses import dense_agreement, info_nce
from daflow_jax.metrics import features as metrics
from daflow_jax.metrics import mean
from daflow_jax.nn import heads
from daflow_jax.ops import affine, crop_cells, crops, photometric
from daflow_jax.tasks import base, student_teacher, views
from daflow_jax.tasks.inputs import FRAMES, Batch, Inputs

ENCODER = student_teacher.ENCODER
NECK = "neck"
PAIRINGS = ("features", "true", "random")


class _Crop(NamedTuple):
    """A crop of every frame: pixels, its box, and whether it is mirrored."""

    images: jax.Array
    boxes: jax.Array
    flip: jax.Array


class _Outputs(NamedTuple):
    """Unit vectors: cells of the encoder (b, n, i), global (b, c), cells (b, n, c), their mean."""

    encoded: jax.Array
    pooled: jax.Array
    cells: jax.Array
    average: jax.Array


@dataclasses.dataclass(frozen=True)
class DenseContrast(student_teacher.StudentTeacher):
    """A query network finds, among a queue of others, what a key network makes of another crop of
    the same frame (the first of a clip), and of the cell that matches.

    Batch statistics are those of the global batch on every device, so that the keys need not be
    shuffled over devices, as published code does.

    Attributes:
        hidden, features: of the neck. queue: keys that are kept; batches divide it.
        dense: weight of the dense loss, 1 - dense that of the global one (lambda).
        temperature: of both. momentum: of the key network; constant with momentum_steps 0.
        crop_size, min_area, max_area: pixels a side, and shares of the frame.
        pairing: how cells find their positives: the nearest by the encoder's "features", or, as
            controls, the "true" cell, or a "random" one.
        flip, color: share of mirrored crops; strength of the jitter (0.4, 0.4, 0.4, 0.1 at 1).
    """

    module: base.Network
    hidden: int = 2048
    features: int = 128
    queue: int = 65536
    dense: float = 0.5
    temperature: float = info_nce.TEMPERATURE
    momentum: float = 0.999
    momentum_steps: int = 0
    crop_size: int = 224
    min_area: float = 0.2
    max_area: float = 1.0
    pairing: str = "features"
    flip: float = 0.5
    color: float = 1.0
    best = "-loss"
    work_unit = "clip"

    def __post_init__(self):
        counts = dict(hidden=(1, 65536), features=(1, 65536), queue=(1, 2**24))
        shares = dict.fromkeys(("dense", "momentum", "flip", "color"), (0, 1))
        areas = dict.fromkeys(("min_area", "max_area"), (ranges.ABOVE_0, 1))
        sizes = dict(crop_size=(1, 4096), momentum_steps=(0, ranges.COUNT))
        ranges.check(self, **counts, **shares, **areas, **sizes, temperature=(1e-3, 100))
        ranges.check_choice(self, pairing=PAIRINGS)
        if self.min_area > self.max_area:
            raise ranges.wrong("min_area", self.min_area, "Use at most max_area")
        multiple = self._config.multiple
        if self.crop_size % multiple:
            near = max(self.crop_size // multiple, 1) * multiple
            raise ranges.wrong("crop_size", self.crop_size, f"Use a multiple of {multiple}: {near}")

    @property
    def inputs(self) -> Inputs:
        """Frames alone."""
        return {"hq": FRAMES}

    def init(self, rng: jax.Array, batch: Batch) -> dict[str, Any]:
        """Returns the variables of query and key network, and two queues of random keys."""
        self._check_crops(batch)
        cells = jnp.zeros((1, 2, 2, self._config.features))
        parts = {ENCODER: (self.module, (batch["hq"][:1, :1],)), NECK: (self._neck, (cells,))}
        variables = student_teacher.start(rng, parts)
        variables = student_teacher.with_teacher(variables, tuple(parts))
        queues = {
            name: info_nce.start(jax.random.fold_in(rng, k), self.queue, self.features)._asdict()
            for k, name in ((7, "global"), (8, "dense"))
        }
        return {**variables, "queues": queues}

    def loss(self, params, aux, batch: Batch, rng: jax.Array) -> base.LossOut:
        """Returns the weighted losses, their parts, and aux with this batch's keys in the queues.

        Raises UserError where the batch does not divide the queue.
        """
        info_nce.check(self.queue, len(batch["hq"]))
        student, teacher = self.pair(params, aux, train=True)
        loss, parts, key, _ = self._objective(student, teacher, aux, batch, rng)
        new = {"global": key.pooled, "dense": key.average}
        queues = {
            name: info_nce.push(info_nce.Queue(**queue), new[name])._asdict()
            for name, queue in aux["queues"].items()
        }
        means = {name: jnp.mean(value) for name, value in parts.items() if name != "right"}
        means["right"] = parts["right"]
        aux = {**self.moved(aux, student, teacher), "queues": queues}
        return base.LossOut(jnp.mean(loss), means, aux)

    def evaluate(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, mean.Mean]:
        """Returns the loss and its parts on running statistics; `right`, the share of cells whose
        nearest cell is within one of the true one; and the rank of the features.
        """
        student, teacher = self.pair(params, aux, train=False)
        loss, parts, _, query = self._objective(student, teacher, aux, batch, rng)
        weight, right = batch["weight"], parts.pop("right")
        rank = metrics.effective_rank(query.encoded.reshape(-1, query.encoded.shape[-1]))
        means = {name: mean.Mean.of(value, weight) for name, value in parts.items()}
        whole = mean.Mean(rank * jnp.sum(weight), jnp.sum(weight))
        return {"loss": mean.Mean.of(loss, weight), **means, "right": right, "rank": whole}

    @property
    def _config(self) -> Any:
        return cast(Any, self.module).config

    @property
    def _neck(self) -> Any:
        return student_teacher.under(self.module, heads.DenseNeck(self.hidden, self.features))

    def _check_crops(self, batch) -> None:
        short = min(batch["hq"].shape[2:4])
        if self.max_area * short * short < 1:
            rule = f"{self.max_area} of {short} px frames holds no pixel"
            raise errors.UserError("config.task.max_area", rule, "Raise it")

    def _objective(self, student, teacher, aux, batch, rng):
        """Returns loss (b,), its parts, and what key and query network gave."""
        keys = jax.random.split(rng, 5)
        frames = batch["hq"][:, 0]
        first, second = self._crop(keys[0], frames), self._crop(keys[1], frames)
        query = self._outputs(student, first.images)
        key = jax.lax.stop_gradient(self._outputs(teacher, second.images))
        nearest, _ = info_nce.correspondence(query.encoded, key.encoded)
        place, inside = self._true(first, second)
        right = crop_cells.distance(nearest, place, self._grid) <= 1
        chosen = self._chosen(nearest, place, keys[4])
        positive = jnp.take_along_axis(key.cells, chosen[..., None], 1)
        queues = {name: value["rows"] for name, value in aux["queues"].items()}
        single = info_nce.info_nce(
            query.pooled, _dot(query.pooled, key.pooled), queues["global"], self.temperature
        )
        dense = (
            info_nce.info_nce(
                query.cells.reshape(-1, self.features),
                _dot(query.cells, positive).reshape(-1),
                queues["dense"],
                self.temperature,
            )
            .reshape(len(frames), -1)
            .mean(1)
        )
        loss = (1 - self.dense) * single + self.dense * dense
        right = mean.Mean.of(right, inside & self._counted(batch)[:, None])
        return loss, {"global": single, "dense": dense, "right": right}, key, query

    def _counted(self, batch):
        return batch["weight"] > 0 if "weight" in batch else jnp.ones(len(batch["hq"]), bool)

    @property
    def _grid(self) -> tuple[int, int]:
        return (self.crop_size // self._config.stride,) * 2

    def _crop(self, rng, frames) -> _Crop:
        keys = jax.random.split(rng, 3)
        count, size = len(frames), frames.shape[1:3]
        boxes = crops.random_boxes(keys[0], self.min_area, self.max_area, size, count)
        images = crops.crop_and_resize(frames, boxes, (self.crop_size, self.crop_size))
        flip = jax.random.uniform(keys[1], (count,)) < self.flip
        images = affine.mirror(jnp.clip(images, 0, 1), flip)
        blur = photometric.relative_size(self.crop_size)
        by = photometric.Jitter(0.4, 0.4, 0.4, 0.1, blur_size=blur)  # published
        return _Crop(views.colored(keys[2], images, self.color, by), boxes, flip)

    def _outputs(self, network, images) -> _Outputs:
        maps = network(ENCODER, self.module, images[:, None])[:, 0]
        outputs = (dense_agreement.unit(x) for x in network(NECK, self._neck, maps))
        cells = dense_agreement.unit(maps.reshape(len(maps), -1, maps.shape[-1]))
        return _Outputs(jax.lax.stop_gradient(cells), *outputs)

    def _true(self, first: _Crop, second: _Crop):
        points = crop_cells.centres(first.boxes, first.flip, self._grid)
        return crop_cells.locate(points, second.boxes, second.flip, self._grid)

    def _chosen(self, nearest, place, rng):
        if self.pairing == "true":
            return crop_cells.nearest(place, self._grid)
        if self.pairing == "random":
            return jax.random.randint(rng, nearest.shape, 0, self._grid[0] * self._grid[1])
        return nearest


def _dot(a, b):
    return jnp.sum(a * b, -1)
