"""Restorers by the field's protocols: PSNR, SSIM and flicker as their papers measure them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors
from daflow_jax.degrade import matlab_resize
from daflow_jax.evaluate import bootstrap, collect, paired, protocol_clips, protocols, unbounded
from daflow_jax.evaluate.collect import Row
from daflow_jax.evaluate.protocol_clips import ProtocolClip
from daflow_jax.evaluate.protocol_results import METRICS, ProtocolResults
from daflow_jax.evaluate.protocols import Protocol
from daflow_jax.evaluate.restorers import Restorer, resolve
from daflow_jax.metrics import flicker, quality

MOST = 100.0  # dB that equal frames count as [choice]
Flow = Callable[[np.ndarray], np.ndarray]  # uint8 (2, h, w, 3) -> (h, w, 2) px, first to second


def run_protocol(
    clips: str | Path | Mapping[str, Any],
    methods: Any,
    protocol: str | Protocol,
    *,
    layout: str = "",
    limit: int | None = None,
    seed: int = 0,
    flow: Flow | None = None,
    progress: collect.Progress | None = None,
    on_failure: collect.Failure | None = None,
) -> ProtocolResults:
    """Returns the scores of restorers by one protocol (`protocols.PROTOCOLS`).

    Args:
        clips: the folder of the protocol's data set, or {name: clean frames (t, h, w, 3), or a
            tuple of those and the degraded ones}.
        methods: as of `run_restoration`; functions take degraded frames, uint8, or float32 where
            the protocol's noise leaves [0, 1]. Degraded frames (grown by MATLAB's bicubic where
            they are small) are always compared as well.
        layout: of the folder; "" is the protocol's own.
        limit: clips that are read at most.
        seed: of intervals and tests. The degradation is the protocol's and has no seed.
        flow: measures flicker (OPW) with this flow between clean frames; see `baselines.dis`.

    Raises:
        UserError: an unknown protocol, data of another degradation, sizes that do not fit, or a
            model of another scale.
    """
    chosen = protocols.get(protocol) if isinstance(protocol, str) else protocol
    found = protocol_clips.find(clips, chosen, layout, limit)
    compared = [*_methods(methods, chosen), _baseline(chosen)]
    digest = hashlib.sha256()
    rows, failures = collect.rows(
        found,
        lambda clip: _measure(clip, compared, chosen, flow, digest),
        progress,
        on_failure,
        "clip",
    )
    return ProtocolResults(
        protocol=chosen,
        rows=rows,
        scores=_scores(rows, chosen, compared, seed),
        tests=_tests(rows, chosen, compared, seed),
        methods=compared,
        data={
            "name": str(clips) if isinstance(clips, str | Path) else ", ".join(clips),
            "clips": len({row["name"] for row in rows}),
            "sha256": digest.hexdigest(),
        },
        failures=failures,
    )


def _methods(given: Any, protocol: Protocol) -> list[Restorer]:
    """Returns the methods; a model of another scale is a UserError."""
    found = []
    for method in resolve(given):
        model = method.model
        if model is not None and model.config.scale != protocol.scale:
            rule = f"makes frames {model.config.scale} times as large"
            remedy = f"Protocol {protocol.name} wants {protocol.scale} times: use another model"
            raise errors.UserError(f"model {method.name}", rule, remedy)
        if model is not None and protocol.kind == "noise":
            function = unbounded.restorer(model, **method.options)
            method = Restorer(method.record, function, model.programs).named(method.name)
        found.append(method)
    return found


def _baseline(protocol: Protocol) -> Restorer:
    if protocol.scale == 1:
        return Restorer({"name": "degraded"}, lambda frames: frames)
    scale = protocol.scale
    return Restorer({"name": "bicubic"}, lambda x: matlab_resize.resize(x / 255.0, scale))


def _measure(
    clip: ProtocolClip,
    methods: Sequence[Restorer],
    protocol: Protocol,
    flow: Flow | None,
    digest: Any,
) -> list[Row]:
    """Returns a row per condition, method and frame that counts."""
    arrays, rows = clip.read(), []
    digest.update(np.ascontiguousarray(arrays.clean))
    for condition in protocol.conditions:
        clean, degraded = protocol_clips.prepared(clip.name, arrays, protocol, condition)
        motions = _motions(clean, flow)
        for method in methods:
            restored = method(degraded)
            if restored.shape != clean.shape:
                rule = f"returned {restored.shape} for clean frames {clean.shape}"
                raise errors.UserError(f"method {method.name}", rule, "Use a model of this scale")
            head = {"name": clip.name, "method": method.name, "condition": condition}
            rows += [head | row for row in _frames(restored, clean, motions, protocol)]
    return rows


def _motions(clean: np.ndarray, flow: Flow | None) -> list[np.ndarray | None]:
    """Returns the flow from each frame to the one before, None of the first."""
    if flow is None:
        return [None] * len(clean)
    return [None, *(flow(np.stack(pair)) for pair in zip(clean[1:], clean[:-1], strict=True))]


def _frames(restored, clean, motions, protocol: Protocol):
    """Yields the scores of each frame that counts."""
    middle = len(clean) // 2
    places = range(len(clean)) if protocol.frames == "all" else [middle]
    for t in places:
        pair = [
            quality.cut(quality.luma(x) if protocol.color == "y" else x, protocol.border)
            for x in (restored[t], clean[t])
        ]
        small = min(pair[0].shape[:2]) < quality.WINDOW
        row = {"frame": t, "psnr": min(quality.psnr(*pair), MOST)}
        row["ssim"] = None if small else quality.SSIM[protocol.ssim](*pair)
        row["opw"] = None if motions[t] is None else _opw(restored, clean, motions[t], t)
        yield row


def _opw(restored, clean, motion, t: int) -> float:
    videos = (jnp.asarray(x[t - 1 : t + 1], jnp.float32) / 255 for x in (restored, clean))
    (before, now), (true_before, true_now) = videos
    return float(_flicker(now, before, true_now, true_before, jnp.asarray(motion)))


_flicker = jax.jit(flicker.opw)


def _scores(rows, protocol: Protocol, methods, seed: int) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        condition: {
            method.name: _summary(_own(rows, condition, method.name), protocol, seed)
            for method in methods
        }
        for condition in protocol.conditions
    }


def _own(rows, condition: str, method: str) -> list[Row]:
    return [row for row in rows if (row["condition"], row["method"]) == (condition, method)]


def _summary(rows: list[Row], protocol: Protocol, seed: int) -> dict[str, Any]:
    """Returns means, their intervals over clips, and each clip's values."""
    clips = _by_clip(rows)
    counted = clips if protocol.mean == "clips" else {str(i): row for i, row in enumerate(rows)}
    drawn = [{"dataset": "", "clip": name, **values} for name, values in clips.items()]
    if protocol.mean == "frames":
        drawn = [{"dataset": "", "clip": row["name"], **row} for row in rows]
    intervals, _ = bootstrap.intervals(drawn, METRICS, [""], seed)
    means = {key: _mean([row[key] for row in counted.values()]) for key in METRICS}
    spread = {"level": bootstrap.LEVEL, "draws": bootstrap.DRAWS, **intervals}
    return {**means, "intervals": spread, "clips": clips}


def _by_clip(rows: list[Row]) -> dict[str, dict[str, Any]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["name"], []).append(row)
    return {
        name: {"frames": len(own), **{key: _mean([row[key] for row in own]) for key in METRICS}}
        for name, own in found.items()
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _tests(rows, protocol: Protocol, methods, seed: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Returns by how much the PSNR of the first method is above every other one's, per clip."""
    first, *others = methods
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for condition in protocol.conditions:
        best = _by_clip(_own(rows, condition, first.name))
        for other in others:
            clips = _by_clip(_own(rows, condition, other.name))
            ours, theirs = ([clip["psnr"] for clip in x.values()] for x in (best, clips))
            test = paired.compare(ours, theirs, list(best), seed)
            out.setdefault(condition, {})[other.name] = test
    return out
