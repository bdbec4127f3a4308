"""Masks from motion: a frame's masks must explain its flow (Guess What Moves, BMVC 2022)."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors, ranges, viz
from daflow_jax.losses import constant_flow, flow_fit
from daflow_jax.metrics import mean, segmentation
from daflow_jax.ops import mask_merge
from daflow_jax.tasks import base, inputs, pair_flow
from daflow_jax.tasks.inputs import FLOW, FLOW_BACK, FRAMES, LABELS, MASK, Batch, Inputs

SOURCES = ("batch", "network", "shuffled")
FITS = ("quadratic", "constant")


@dataclasses.dataclass(frozen=True)
class MotionSegmentation(base.BaseTask):
    """A network sees one frame and shares its pixels among masks; its flow, to the other frame of
    the pair, must be one quadratic function of the place under every mask.

    Attributes:
        flow: a flow network of the library, frozen: `optimizer.frozen` holds "flow/.*" and
            `checkpoint.init_from` its weights.
        flow_from: the "batch" (true flow, or labels), the "network" `flow`, or, as a control,
            "shuffled" (flow of another clip).
        frames: which frames network and flow see, clean "hq" or degraded "lq".
        iters: refinement steps of a flow network that refines.
        fit: "quadratic" (published), or as a control "constant", one vector per mask.
        weight: of the loss (published: 0.03). clip: largest flow in x and y, in pixels
            (published: 20; flow of 480 x 854).
    """

    module: base.Network
    flow: base.Network | None = None
    flow_from: str = "batch"
    frames: str = "hq"
    iters: int = 12
    fit: str = "quadratic"
    weight: float = 0.03
    clip: float = 20.0
    best = "-loss"
    work_unit = "image"

    def __post_init__(self):
        above = dict.fromkeys(("weight", "clip"), (ranges.ABOVE_0, 1e6))
        ranges.check(self, iters=(1, 1000), **above)
        ranges.check_choice(self, flow_from=SOURCES, frames=("hq", "lq"), fit=FITS)
        if (self.flow_from == "network") != (self.flow is not None):
            remedy = "Name a network in config.networks.flow and write 'network', or neither"
            raise ranges.wrong("flow_from", self.flow_from, remedy)

    @property
    def inputs(self) -> Inputs:
        """Two frames of clips in which something moves, flow both ways where it is read, and
        objects to be judged by, where they are known.
        """
        found = {self.frames: FRAMES._replace(moving=True), "instances": inputs.optional(LABELS)}
        if self.flow_from != "network":
            found |= {"flow": FLOW, "flow_back": FLOW_BACK, "valid": MASK, "valid_back": MASK}
        return found

    def init(self, rng: jax.Array, batch: Batch) -> dict[str, Any]:
        """Returns the variables {"params": {"masks": ..., maybe "flow": ...}}."""
        parts = {"masks": dict(self.module.init(rng, batch[self.frames][:1, :1]))}
        if self.flow is not None:
            key = jax.random.fold_in(rng, 99)
            parts[pair_flow.PART] = pair_flow.init(self.flow, key, batch[self.frames][:1])
        out: dict[str, Any] = {}
        for part, variables in parts.items():
            for collection, tree in variables.items():
                out.setdefault(collection, {})[part] = tree
        return out

    def loss(self, params, aux, batch: Batch, rng: jax.Array) -> base.LossOut:
        """Returns the loss over both frames of every pair, and how fast things move in them."""
        logits, aux = self._logits(params, aux, batch, train=True)
        error, flow = self._error(logits, params, aux, batch, rng)
        speed = jnp.mean(jnp.linalg.norm(flow, axis=-1))
        return base.LossOut(self.weight * jnp.mean(error), {"motion": speed}, aux)

    def evaluate(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, mean.Mean]:
        """Returns the loss, and where objects are known the scores by protocol:

        iou: all objects together with the best union of masks. iou_merged: the better of two masks,
        merged by the colour and place under them, without the annotation. iou_objects: each object
        with its best mask. ari, ari_objects: adjusted Rand index of all pixels, and of those of
        objects. used: masks that have 1 % of the pixels.
        """
        logits, _ = self._logits(params, aux, batch, train=False)
        error, _ = self._error(logits, params, aux, batch, rng)
        weight = jnp.repeat(batch["weight"], 2)
        out = {"loss": mean.Mean.of(self.weight * error, weight)}
        shares = self._shares(logits, batch[self.frames].shape[2:4])
        used = jnp.sum(jnp.mean(shares, (1, 2)) > 0.01, -1)
        out["used"] = mean.Mean.of(used, weight)
        if "instances" not in batch:
            return out
        here, _ = pair_flow.both_ways(batch[self.frames])
        true, _ = pair_flow.both_ways(batch["instances"])
        for name, score in scores(shares, here, true).items():
            out[name] = mean.Mean.of(score, jnp.where(jnp.isnan(score), 0, weight))
        return out

    def pictures(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, np.ndarray]:
        """Returns the first frame, its masks and its objects beside each other."""
        rows = {key: value[:1] for key, value in batch.items()}
        labels = np.asarray(base.run_whole(_labels, self, params, aux, rows))
        frame = np.asarray(jax.device_get(rows[self.frames]))[0, 0]
        shown = [frame, viz.labels_to_rgb(labels[0])]
        if "instances" in rows:
            shown.append(viz.labels_to_rgb(np.asarray(jax.device_get(rows["instances"]))[0, 0]))
        return {"masks": viz.strip(shown)}

    def exported(self, params, aux):
        """Returns the segmenter alone."""
        out = {"": {"params": params["masks"]}}
        for collection, tree in aux.items():
            if "masks" in tree:
                out[""][collection] = tree["masks"]
        return out

    def _logits(self, params, aux, batch, train):
        """Returns logits (2b, hs, ws, k) of both frames of every pair, and the new aux."""
        clips = batch[self.frames]
        if clips.shape[1] != 2:
            rule = f"{clips.shape[1]} frames; this task takes a frame and its flow to another one"
            raise errors.UserError("config.data.scene.frames", rule, "Set it to 2, and data.gap")
        stats = aux.get("batch_stats", {}).get("masks")
        variables = {"params": params["masks"]}
        if stats is None:
            logits = self.module.apply(variables, clips, train=train)
        elif train:
            variables["batch_stats"] = stats
            logits, new = self.module.apply(variables, clips, train=True, mutable=["batch_stats"])
            aux = {**aux, "batch_stats": {**aux["batch_stats"], "masks": new["batch_stats"]}}
        else:
            variables["batch_stats"] = stats
            logits = self.module.apply(variables, clips, train=False)
        return logits.reshape(-1, *logits.shape[2:]).astype(jnp.float32), aux

    def _shares(self, logits, size):
        soft = jax.nn.softmax(logits, -1)
        return jax.image.resize(soft, (len(soft), *size, soft.shape[-1]), "linear")

    def _error(self, logits, params, aux, batch, rng):
        """Returns the error (2b,) in square pixels, and the flow."""

        def estimate(clips):
            return pair_flow.estimate(self.flow, params, aux, rng, clips, self.iters)

        seen = {**batch, "hq": batch[self.frames]}
        flow = pair_flow.find(self.flow_from, "none", 0.0, seen, estimate).flow
        flow = jnp.clip(flow, -self.clip, self.clip)
        shares = self._shares(logits, flow.shape[1:3])
        fit = flow_fit if self.fit == "quadratic" else constant_flow
        return fit.reconstruction_error(shares, flow), flow


def scores(shares: Any, frames: Any, true: Any) -> dict[str, Any]:
    """Returns scores (n,) by protocol, NaN in frames without objects; see `evaluate`.

    Args:
        shares: (n, h, w, k) of masks. frames: (n, h, w, 3). true: (n, h, w) objects, 0 = none.
    """
    count, labels = shares.shape[-1], jnp.argmax(shares, -1)
    table = segmentation.overlaps(labels, true, count)
    half = mask_merge.halves(mask_merge.affinity(shares, _appearance(frames)))
    first = jnp.einsum("nhwk,nk->nhw", shares, half) > 0.5
    merged = segmentation.two_mask_iou(first, true > 0)
    objects = jnp.any(true > 0, (1, 2))
    return {
        "iou": segmentation.foreground_iou(table),
        "iou_merged": jnp.where(objects, merged, jnp.nan),
        "iou_objects": segmentation.object_iou(table),
        "ari": jnp.where(objects, segmentation.adjusted_rand(table), jnp.nan),
        "ari_objects": segmentation.adjusted_rand(table, foreground=True),
    }


def _appearance(frames):
    """Returns colour and place of every pixel, of equal scale, about the frame's middle."""
    height, width = frames.shape[1:3]
    row = jnp.linspace(-1, 1, height)[:, None, None]
    column = jnp.linspace(-1, 1, width)[None, :, None]
    place = jnp.concatenate(jnp.broadcast_arrays(row, column), -1)
    place = jnp.broadcast_to(place, (len(frames), *place.shape))
    color = 4 * (frames - jnp.mean(frames, (1, 2), keepdims=True))
    return jnp.concatenate([color, place], -1)


def _labels(task, params, aux, rows):
    logits, _ = task._logits(params, aux, rows, train=False)
    return jnp.argmax(task._shares(logits, rows[task.frames].shape[2:4]), -1)
