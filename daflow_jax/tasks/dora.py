"""Objects followed through a clip by attention, and self-distillation on them: DoRA (ICLR 2024)."""

import dataclasses
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from daflow_jax import errors, ranges
from daflow_jax.losses import dino
from daflow_jax.metrics import features as metrics
from daflow_jax.metrics import mean
from daflow_jax.nn import heads
from daflow_jax.ops import affine, crops, object_tubes, photometric
from daflow_jax.tasks import base, student_teacher, views
from daflow_jax.tasks.inputs import FRAMES, Batch, Inputs

ENCODER = student_teacher.ENCODER
HEAD = "head"


class _Views(NamedTuple):
    """whole: (t, b, h, w, 3), one crop for all frames. local: (t, crops, b, h', w', 3)."""

    whole: jax.Array
    local: jax.Array


@dataclasses.dataclass(frozen=True)
class DoRA(student_teacher.StudentTeacher):
    """A student that sees one object, or a small crop, agrees with a teacher that sees it all.

    Attributes:
        hidden, bottleneck, outputs: of the head. gain: whether its last layer's gain is learned.
        objects: heads drawn for a step, each of which becomes an object.
        global_size, local_size: pixels a side of the crops. crops: local ones of every frame.
        context_size, context_area: of the crop that all others are cut from, and least share of
            the frame's area in it; 0: the whole frame.
        global_area, local_area: least and largest share of that crop.
        loss_form: "plain", the mean as the paper states it, or "as_published", as the released code
            adds it up (`dino.over_objects`).
        momentum, momentum_steps: of the teacher. temperature: of the teacher's softmax.
        flip, color: share of mirrored clips; strength of the jitter (0.4, 0.4, 0.2, 0.1 at 1).
    """

    module: base.Network
    hidden: int = 2048
    bottleneck: int = 256
    outputs: int = 65536
    gain: bool = True
    objects: int = 3
    global_size: int = 224
    local_size: int = 112
    crops: int = 6
    context_size: int = 300
    context_area: float = 0.2
    global_area: tuple[float, float] = (0.4, 1.0)
    local_area: tuple[float, float] = (0.05, 0.4)
    loss_form: str = "plain"
    momentum: float = 0.996
    momentum_steps: int = 0
    temperature: float = dino.TEACHER_TEMPERATURE
    flip: float = 0.5
    color: float = 1.0
    best = "-loss"
    work_unit = "clip"
    momentum_ahead = 0  # published code moves the teacher after the step, with that step's

    def __post_init__(self):
        widths = dict.fromkeys(("hidden", "bottleneck"), (1, 65536))
        counts = dict(outputs=(2, 2**20), objects=(1, 64), crops=(1, 64))
        sizes = dict.fromkeys(("global_size", "local_size"), (1, 4096))
        shares = dict.fromkeys(("flip", "color", "momentum", "context_area"), (0, 1))
        areas = dict.fromkeys(("global_area", "local_area"), (ranges.ABOVE_0, 1))
        more = dict(context_size=(0, 8192), momentum_steps=(0, ranges.COUNT))
        ranges.check(
            self, **widths, **counts, **sizes, **shares, **areas, **more, temperature=(1e-3, 10)
        )
        ranges.check_choice(self, loss_form=("plain", "as_published"))
        self._check_network()

    @property
    def _config(self) -> Any:
        return cast(Any, self.module).config

    def _check_network(self) -> None:
        config = self._config
        if not hasattr(config, "heads"):
            remedy = "Use a vision transformer, such as vit-nano"
            raise errors.UserError("config.model.name", "has no attention heads to read", remedy)
        if self.objects > config.heads:
            raise ranges.wrong("objects", self.objects, f"The network has {config.heads} heads")
        for name in ("global_size", "local_size"):
            size = getattr(self, name)
            if size % config.multiple:
                near = max(size // config.multiple, 1) * config.multiple
                raise ranges.wrong(name, size, f"Use a multiple of {config.multiple}: {near}")

    @property
    def inputs(self) -> Inputs:
        """Frames of clips in which something moves."""
        return {"hq": FRAMES._replace(moving=True)}

    def init(self, rng: jax.Array, batch: Batch) -> dict[str, Any]:
        """Returns the variables of student and teacher, and the centre, zero."""
        parts = {
            ENCODER: (self.module, (batch["hq"][:1, :1],)),
            HEAD: (self._head, (jnp.zeros((1, self._config.features)),)),
        }
        variables = student_teacher.start(rng, parts)
        variables = student_teacher.with_teacher(variables, tuple(parts))
        return {**variables, "center": {"value": jnp.zeros(self.outputs, jnp.float32)}}

    def loss(self, params, aux, batch: Batch, rng: jax.Array) -> base.LossOut:
        """Returns the loss of the batch, its parts, and aux with a moved centre."""
        student, teacher = self.pair(params, aux, train=True)
        teacher.train = False  # its blocks are never left out
        masked, local, target, _ = self._objective(student, teacher, aux, batch, rng)
        loss = self._reduced(masked.mean(-1), local.mean(-1))
        center = dino.moved_center(aux["center"]["value"], target)
        aux = {**self.moved(aux, student, teacher), "center": {"value": center}}
        return base.LossOut(loss, {"masked": masked.mean(), "local": local.mean()}, aux)

    def evaluate(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, mean.Mean]:
        """Returns the loss and its parts, and the rank of the student's features."""
        student, teacher = self.pair(params, aux, train=False)
        masked, local, _, features = self._objective(student, teacher, aux, batch, rng)
        weight = batch["weight"]
        loss = jax.vmap(self._reduced, -1)(masked, local)
        rank = metrics.effective_rank(features.reshape(-1, features.shape[-1]))
        return {
            "loss": mean.Mean.of(loss, weight),
            "masked": mean.Mean.of(masked.mean((0, 1)), weight),
            "local": mean.Mean.of(local.mean((0, 1)), weight),
            "rank": mean.Mean(rank * jnp.sum(weight), jnp.sum(weight)),
        }

    def _reduced(self, masked, local):
        return dino.over_objects(masked, local, self.loss_form == "as_published")

    @property
    def _head(self) -> Any:
        head = heads.DINOHead(self.hidden, self.bottleneck, self.outputs, self.gain)
        return student_teacher.under(self.module, head)

    def _objective(self, student, teacher, aux, batch, rng):
        """Returns cross-entropies of masked clips (objects, t, b) and of local crops
        (t, crops, b), the teacher's outputs (t, b, o), and class tokens of masked frames.
        """
        keys = jax.random.split(rng, 4)
        seen = self._views(keys[0], batch["hq"])
        masks, target = self._teach(teacher, seen.whole, keys[1])
        masked = seen.whole[None] * masks[..., None]
        scores, features = self._student(student, masked, keys[2])
        small, _ = self._student(student, seen.local, keys[3])
        center = aux["center"]["value"]
        options = dict(teacher_temperature=self.temperature)
        first = dino.cross_entropy(scores, target, center, **options)
        return (
            first,
            dino.cross_entropy(small, target[:, None], center, **options),
            target,
            features,
        )

    def _teach(self, teacher, clips, rng):
        """Returns masks of objects in pixels (objects, t, b, h, w), and outputs (t, b, o)."""
        t, b = clips.shape[:2]
        tokens = teacher(ENCODER, self.module, _flat(clips, 2), method="tokens")
        out = teacher(HEAD, self._head, tokens.class_token).reshape(t, b, -1)
        grid, patch = tokens.patches.shape[1:3], self._config.patch
        chosen = jax.random.permutation(rng, self._config.heads)[: self.objects]
        seen = tokens.attended
        keys = seen.key.reshape(t, b, *seen.key.shape[1:])
        query, attention = (
            x.reshape(t, b, *x.shape[1:])[0] for x in (seen.query, seen.class_attention)
        )
        patches = tokens.patches.reshape(t, b, -1, tokens.patches.shape[-1])[0]
        tubes = object_tubes.find(
            attention[..., 1:], query[:, :, 1:], patches, keys[..., 1:, :], chosen
        )
        masks = jnp.moveaxis(tubes.mask, 2, 0).reshape(self.objects, t, b, *grid)
        masks = jnp.repeat(jnp.repeat(masks, patch, -2), patch, -1)
        return jax.lax.stop_gradient((masks, out))

    def _student(self, student, images, rng):
        """Returns the head's outputs and class tokens of images (*s, h, w, 3)."""
        lead = images.shape[:-3]
        options = dict(method="tokens", rngs={"dropout": rng})
        token = student(ENCODER, self.module, _flat(images, len(lead)), **options).class_token
        return student(HEAD, self._head, token).reshape(*lead, -1), token

    def _views(self, rng, frames) -> _Views:
        keys = jax.random.split(rng, 6)
        b, t = frames.shape[:2]
        clips = self._context(keys[0], frames)
        size = clips.shape[2], clips.shape[3]
        boxes = crops.random_boxes(keys[1], *self.global_area, size, b)
        whole = _cut(clips, jnp.repeat(boxes[:, None], t, 1), self.global_size)
        whole = self._colored(keys[2], self._mirrored(keys[3], whole), 0.1)
        count = b * t * self.crops
        boxes = crops.random_boxes(keys[4], *self.local_area, size, count)
        spread = jnp.repeat(clips[:, :, None], self.crops, 2)
        local = _cut(spread, boxes.reshape(b, t, self.crops, 4), self.local_size)
        local = self._colored(keys[5], local, 0.5)
        return _Views(jnp.moveaxis(whole, 1, 0), jnp.moveaxis(local, 0, 2))

    def _context(self, rng, frames):
        if not self.context_size:
            return frames
        area, size = (self.context_area, 1.0), (frames.shape[2], frames.shape[3])
        boxes = crops.random_boxes(rng, *area, size, len(frames))
        spread = jnp.repeat(boxes[:, None], frames.shape[1], 1)
        return _cut(frames, spread, self.context_size)

    def _mirrored(self, rng, clips):
        flip = jax.random.uniform(rng, (len(clips),)) < self.flip
        spread = jnp.repeat(flip, clips.shape[1])
        return affine.mirror(_flat(clips, 2), spread).reshape(clips.shape)

    def _colored(self, rng, images, blur_share):
        flat = _flat(images, images.ndim - 3)
        size = photometric.relative_size(flat.shape[1])
        by = photometric.Jitter(
            0.4, 0.4, 0.2, 0.1, blur_share=blur_share, blur_size=size
        )  # published
        return views.colored(rng, flat, self.color, by).reshape(images.shape)


def _flat(x, count):
    return x.reshape(-1, *x.shape[count:])


def _cut(images, boxes, size):
    return jnp.clip(crops.crop_and_resize(images, boxes, (size, size)), 0, 1)
