"""Restorers on clean clips: the clips are degraded, restored, and compared with what they were.

Restoration has a function of its own beside `run`: its data are clips without any truth but their
own frames, and its results know no flow. So the type of a result follows from the call, not from
the name of a model.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors
from daflow_jax.evaluate import bootstrap, collect
from daflow_jax.evaluate import degradations as degraded
from daflow_jax.evaluate.collect import Row
from daflow_jax.evaluate.degradations import Degradation
from daflow_jax.evaluate.restoration_results import METRICS, RestorationResults
from daflow_jax.evaluate.restorers import DEGRADED, Restorer, resolve
from daflow_jax.metrics import image

MOST = 60.0  # dB that equal frames count as [choice]: rounding to 8 bits alone costs as much


class Clip(NamedTuple):
    """A name, and what reads the clean frames (t, h, w, 3), uint8 or uint16."""

    name: str
    frames: Callable[[], np.ndarray]


def run_restoration(
    clips: str | Path | Iterable[str | Path] | Mapping[str, np.ndarray],
    methods: Any,
    degradations: Iterable[str | Degradation] = ("combined:3",),
    *,
    limit: int | None = None,
    seed: int = 0,
    progress: collect.Progress | None = None,
    on_failure: collect.Failure | None = None,
) -> RestorationResults:
    """Returns PSNR and SSIM of degraded and of restored frames against the clean ones.

    Values are means over the frames of a clip, then over clips. Frames are compared as they are
    written, rounded to 8 bits, over all pixels and channels.

    Args:
        clips: folders of images, videos and so on (`datasets.sequences`), or {name: frames
            (t, h, w, 3)}.
        methods: names of restorers, loaded ones (`predict.RestorationModel`), functions of degraded
            frames (t, h, w, 3) to restored ones (see `evaluate.restorers`), or a mapping of those.
            The degraded frames themselves are always compared as well, under the name "degraded".
        degradations: "NAME:SEVERITY", severity 1 to 5, or "clean".
        limit: clips that are read at most.
        seed: of the degradations and of the bootstrap intervals.
        progress, on_failure: as in `evaluate.run`, for clips.

    Raises:
        UserError: an unknown name, no clip, or a restorer whose frames have another size.
    """
    found, name = _clips(clips, limit)
    chosen, shown = (
        [*resolve(methods), DEGRADED.named(DEGRADED.name)],
        degraded.resolve(degradations),
    )
    digest = hashlib.sha256()
    rows, failures = collect.rows(
        found,
        lambda clip: _measure(clip, chosen, shown, seed, digest),
        progress,
        on_failure,
        "clip",
    )
    return RestorationResults(
        rows=rows,
        scores={str(d): {m.name: _summary(rows, d, m, seed) for m in chosen} for d in shown},
        methods=chosen,
        degradations=shown,
        data={
            "name": name,
            "clips": len({row["name"] for row in rows}),
            "sha256": digest.hexdigest(),
        },
        failures=failures,
    )


def _clips(given, limit) -> tuple[list[Clip], str]:
    """Returns the clips and a name for all of them."""
    if isinstance(given, Mapping):
        found = [
            Clip(name, lambda frames=frames: np.asarray(frames)) for name, frames in given.items()
        ]
        return found[:limit], ", ".join(list(given)[:limit])
    from daflow_jax.datasets import sequences

    words = [str(each) for each in ([given] if isinstance(given, str | Path) else given)]
    found = [
        Clip(each.name, lambda each=each: np.stack(list(each.frames())))
        for each in sequences.resolve(words, least=1)
    ]
    return found[:limit], ", ".join(words)


def _measure(
    clip: Clip,
    methods: Sequence[Restorer],
    degradations: Sequence[Degradation],
    seed: int,
    digest: Any,
) -> list[Row]:
    """Returns a row per degradation and method."""
    clean = clip.frames()
    if clean.dtype not in (np.uint8, np.uint16) or clean.ndim != 4 or clean.shape[-1] != 3:
        rule = f"frames are {clean.dtype} {clean.shape}"
        raise errors.UserError(clip.name, rule, "Give uint8 frames (t, h, w, 3)")
    digest.update(np.ascontiguousarray(clean))
    clean = (clean >> 8).astype(np.uint8) if clean.dtype == np.uint16 else clean
    seed, rows = degraded.seed_of(clip, seed), []
    for degradation in degradations:
        frames = degradation.apply(clean, seed)
        for method in methods:
            restored = method(frames)
            rows.append(
                {
                    "name": clip.name,
                    "method": method.name,
                    "degradation": str(degradation),
                    "seed": seed,
                    "frames": len(clean),
                    "seconds": round(method.seconds[-1], 4),
                    **_means(restored, clean, method.name),
                }
            )
    return rows


def _means(restored: np.ndarray, clean: np.ndarray, name: str) -> dict[str, float | None]:
    """Returns the mean of each metric over the frames of a clip."""
    if restored.shape != clean.shape:
        rule = f"returned {restored.shape} for frames {clean.shape}"
        raise errors.UserError(f"method {name}", rule, "Use a restorer that keeps the size")
    values = list(_values(restored, clean))
    psnr = float(np.mean([min(float(value["psnr"]), MOST) for value in values]))
    if "ssim" not in values[0]:
        return {"psnr": psnr, "ssim": None}
    return {"psnr": psnr, "ssim": float(np.mean([float(value["ssim"]) for value in values]))}


def _values(restored, clean) -> Iterator[dict[str, jax.Array]]:
    """Yields the metrics of each frame; SSIM needs frames as large as its window."""
    has_ssim = min(clean.shape[1:3]) >= image.WINDOW
    for pair in zip(restored, clean, strict=True):
        yield _frame(*map(jnp.asarray, pair), has_ssim=has_ssim)


def _frame_values(restored, clean, has_ssim):
    a, b = (x.astype(jnp.float32) / 255 for x in (restored, clean))
    found = {"psnr": image.psnr(a, b)}
    return {**found, "ssim": image.ssim(a, b)} if has_ssim else found


_frame = jax.jit(_frame_values, static_argnames="has_ssim")


def _summary(rows: Sequence[Row], degradation, method, seed) -> dict[str, Any]:
    """Returns the means over clips, their intervals, and each clip's values."""
    wanted = (str(degradation), method.name)
    own = [row for row in rows if (row["degradation"], row["method"]) == wanted]
    known = {key: [row[key] for row in own if row[key] is not None] for key in METRICS}
    drawn = [{**row, "dataset": "", "clip": row["name"]} for row in own]
    intervals, _ = bootstrap.intervals(drawn, METRICS, [""], seed)
    return {
        **{key: sum(values) / len(values) if values else None for key, values in known.items()},
        "intervals": {"level": bootstrap.LEVEL, "draws": bootstrap.DRAWS, **intervals},
        "clips": {row["name"]: {key: row[key] for key in ("frames", *METRICS)} for row in own},
    }
