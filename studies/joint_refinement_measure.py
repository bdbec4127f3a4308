"""What one trained arm of `studies.joint_refinement` does on held-out clips."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import experiment, pretrained
from daflow_jax.experiment import config_file
from daflow_jax.metrics import mean
from daflow_jax.ops import occlusion, warp

MOVING = 1.5  # pixels to both neighbours, of those that count as moving
_TRUTH = ("occlusion", "occlusion_back")


def measure(spec: str, overrides: list[str], folder: Path) -> dict[str, float]:
    """Returns the means over held-out clips of what the task evaluates, and "psnr_moving": over
    pixels that move and are visible in both neighbours; dB are means over clips."""
    config = config_file.read(spec, overrides)
    config["data"]["keys"] = (*config["data"]["keys"], *_TRUTH)
    e = experiment.build(config)
    params = pretrained.load(folder / "export" / "last").variables["params"]
    evaluate = jax.jit(lambda batch, rng: _scores(e.task, params, batch, rng))
    sums: dict[str, mean.Mean] = {}
    (batches,) = (found() for found in e.eval_sets.values())
    for number, batch in enumerate(batches):
        rng = jax.random.fold_in(jax.random.key(e.seed), number)
        for name, value in evaluate(batch, rng).items():
            sums[name] = sums[name].merge(value) if name in sums else value
    return {name: float(value.compute()) for name, value in sums.items()}


def _scores(task, params, batch, rng) -> dict[str, mean.Mean]:
    truth = {key: batch[key] for key in batch if key not in _TRUTH}
    found = task.evaluate(params, {}, truth, rng)
    if batch["hq"].shape[1] == task.module.config.frames:  # one window a clip
        clips, out = task.run(params, {}, truth, rng)
        error = jnp.mean((jnp.clip(out.frame, 0, 1) - clips.hq) ** 2, -1)
        counted = _moving(batch)
        each = jnp.sum(error * counted, (1, 2)) / jnp.maximum(jnp.sum(counted, (1, 2)), 1)
        enough = jnp.sum(counted, (1, 2)) >= 64
        psnr = -10 * jnp.log10(jnp.maximum(each, 1e-10))
        found["psnr_moving"] = mean.Mean.of(psnr, enough)
    return found


def _moving(batch) -> jax.Array:
    """Returns where the middle frame of three moves to and is seen in both neighbours."""
    ways = ((batch["flow_back"][:, 0], batch["occlusion_back"][:, 0]),)
    ways += ((batch["flow"][:, 1], batch["occlusion"][:, 1]),)
    counted = jnp.ones(ways[0][1].shape, bool)
    for flow, hidden in ways:
        counted &= (jnp.linalg.norm(flow, axis=-1) > MOVING) & ~hidden
    return counted


def mask_auc(clips) -> float:
    """Returns how well 1 - mask of the temporal loss ranks true occlusion (0.5: not at all).

    Args:
        clips: dicts with hq (f, h, w, 3), flow_back and occlusion_back, of clean frames.
    """
    scores, hidden = [], []
    unchanged = jax.jit(lambda now, before, flow: occlusion.unchanged(warp.warp(before, flow), now))
    for clip in clips:
        frames = jnp.asarray(clip["hq"])
        mask = unchanged(frames[1:], frames[:-1], jnp.asarray(clip["flow_back"]))
        scores.append(1 - np.asarray(mask).ravel())
        hidden.append(np.asarray(clip["occlusion_back"]).ravel())
    return auc(np.concatenate(scores), np.concatenate(hidden))


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Returns the area under the ROC curve, ties counted half."""
    order, counts = np.unique(scores, return_inverse=True, return_counts=True)[1:]
    ranks = np.cumsum(counts) - (counts - 1) / 2
    own = ranks[order][positive]
    count, rest = len(own), len(scores) - len(own)
    return float((own.sum() - count * (count + 1) / 2) / max(count * rest, 1))
