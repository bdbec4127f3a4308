"""Errors of every finished arm, clip by clip: EPE, moving tokens found, and foreign descriptors."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors, models, pretrained
from daflow_jax import evaluate as evaluating
from daflow_jax.evaluate.degradations import Degradation
from daflow_jax.evaluate.probing import samples
from daflow_jax.io import atomic
from daflow_jax.models import calls
from daflow_jax.ops import pad, tokens

TOKEN = 8  # pixels; moving tokens have a true motion above it, found ones an error below it
WINDOW = 3  # frames of every sample


class Condition(NamedTuple):
    """makers: of the samples of a data set ("generated", "pairs"), under a degradation."""

    data: str
    degradation: Degradation
    makers: tuple[samples.Maker, ...]

    @property
    def name(self) -> str:
        """A name for files."""
        return f"{self.data}-{self.degradation}".replace(":", "-")


def conditions(
    pairs: Sequence[str], generated: int, size: tuple[int, int], severities: Sequence[int]
) -> list[Condition]:
    """Returns held-out generated clips and real pairs, each clean and at the severities."""
    sets = {"generated": samples.synthetic(generated, size, 0, WINDOW)} if generated else {}
    if pairs:
        sets["pairs"] = samples.of_pairs(
            evaluating.read_pairs(list(pairs), "pairs", None), 0, WINDOW
        )
    found = [
        Degradation("combined", float(s)) if s else Degradation("clean", 0) for s in severities
    ]
    return [Condition(name, each, tuple(makers)) for name, makers in sets.items() for each in found]


def run(out: Path, found: Sequence[Condition], log: Callable[[str], None]) -> None:
    """Writes OUT/eval/CONDITION/ARM-SEED.json for every finished arm that lacks it; the first
    weights of RAFT* are measured as "published".

    Raises UserError without a finished arm, and where results are of other samples.
    """
    models_of = {path.parent.name: path.parent / "export" for path in out.glob("arms/*/done")}
    if not models_of:
        raise errors.UserError(out, "holds no finished arm", "Run `studies.features train` first")
    published = out / "start" / "raft-star"
    if (published / pretrained.CONFIG).exists():
        models_of["published"] = published
    for condition in found:
        record = {"samples": len(condition.makers), "condition": condition.name}
        left = {
            name: folder
            for name, folder in sorted(models_of.items())
            if not _is_there(out / "eval" / condition.name / f"{name}.json", record)
        }
        kept = [make(condition.degradation) for make in condition.makers] if left else []
        for name, folder in left.items():
            rows = measure(folder, kept)
            text = json.dumps({**record, "rows": rows}, indent=1)
            atomic.write_text(out / "eval" / condition.name / f"{name}.json", text + "\n")
            mean = np.mean([row["epe"] for row in rows])
            log(f"{condition.name} {name}: {mean:.3f} px")


def _is_there(file: Path, wanted: dict[str, Any]) -> bool:
    if not file.exists():
        return False
    known = json.loads(file.read_text())
    for name, value in wanted.items():
        if known[name] != value:
            rule = f"has {name} {known[name]!r}, now it is {value!r}"
            raise errors.UserError(file, rule, "Give the same clips, or another folder")
    return True


def measure(folder: Path, kept: Sequence[samples.Sample]) -> list[dict[str, Any]]:
    """Returns a row per sample: name, dataset, clip, "epe" (pixels over known ones), "found" (share
    of moving visible tokens; None: there are none) and "epe_exchanged" (None: no descriptors, or no
    partner of its size)."""
    loaded = pretrained.load(folder)
    estimate = _estimate(loaded)
    exchanges = loaded.config.frames > 2 or hasattr(loaded.config, "windows")
    rows = []
    for place, sample in enumerate(kept):
        partner = _partner(kept, place) if exchanges else None
        flow = estimate(sample, sample)
        row = {"name": sample.name, "dataset": sample.dataset, "clip": sample.name}
        row |= {"epe": _epe(flow, sample), "found": _found(flow, sample)}
        row["epe_exchanged"] = None
        if partner is not None:
            row["epe_exchanged"] = _epe(estimate(sample, partner), sample)
        rows.append(row)
    return rows


def _estimate(loaded: pretrained.LoadedModel):
    """Returns the function of (sample, sample whose descriptors are read) to flow (h, w, 2)."""
    config, key = loaded.config, jax.random.key(0)
    module, iters = models.build(config), loaded.meta["defaults"].get("iters", 12)
    has_descriptors = hasattr(config, "windows")

    @jax.jit
    def run(variables, frames, seen):
        options = {"backbone_frames": seen} if has_descriptors else {}
        return calls.call(module, variables, key, frames, iters=iters, **options).flows[-1, 0]

    def estimate(sample, other):
        frames, place = _frames(sample, config)
        around = pad.fit(frames.shape[1:3], config.multiple, config.minimum)
        seen = _frames(other, config)[0]
        flow = run(loaded.variables, pad.pad(frames, around)[None], pad.pad(seen, around)[None])
        return np.asarray(pad.crop(flow[place], around))

    return estimate


def _frames(sample: samples.Sample, config: Any) -> tuple[np.ndarray, int]:
    """Returns the frames that a network sees, float32 in [0, 1], and the pair's place in them."""
    from daflow_jax.predict.frames import as_frames

    frames = np.asarray(as_frames(sample.lq))
    if config.frames > 2:
        return frames, sample.first
    return frames[sample.first : sample.first + 2], 0


def _partner(kept: Sequence[samples.Sample], place: int) -> samples.Sample | None:
    others = [*kept[place + 1 :], *kept[:place]]
    return next((x for x in others if x.lq.shape == kept[place].lq.shape), None)


def _epe(flow: np.ndarray, sample: samples.Sample) -> float:
    error = np.linalg.norm(flow - sample.flow, axis=-1)
    return float(error[sample.valid].mean())


def _found(flow: np.ndarray, sample: samples.Sample) -> float | None:
    height, width = (n // TOKEN * TOKEN for n in flow.shape[:2])
    truth, seen = tokens.flow(
        jnp.asarray(sample.flow[:height, :width]),
        jnp.asarray(sample.visible[:height, :width]),
        TOKEN,
    )
    middle = flow[:height, :width][TOKEN // 2 :: TOKEN, TOKEN // 2 :: TOKEN]
    moving = np.asarray(seen) & (np.linalg.norm(truth, axis=-1) > 1)
    if not moving.any():
        return None
    error = np.linalg.norm(middle - TOKEN * np.asarray(truth), axis=-1)
    return float(np.mean(error[moving] < TOKEN))
