"""Pairs with true flow: which ones a person means, and the errors of methods on one of them."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax import errors
from daflow_jax.evaluate import degradations as degraded
from daflow_jax.evaluate import scores, uncertainty
from daflow_jax.evaluate.collect import Row
from daflow_jax.evaluate.methods import Method


def read(
    folders: str | Path | Iterable[str | Path],
    layout: str = "pairs",
    limit: int | None = None,
    every: int = 1,
) -> list[Any]:
    """Returns the entries of folders of pairs, also in a bucket, nothing read yet: one of `every`,
    at most `limit`.

    Args:
        layout: "pairs" (`datasets.pairs_folder`), or a data set as its owner packs it
            ("sintel:final").
    """
    from daflow_jax import datasets
    from daflow_jax.datasets import pairs_folder

    roots = [folders] if isinstance(folders, str | Path) else folders
    if layout == "pairs":
        found = [pair for root in roots for pair in pairs_folder.read_pairs(root)]
    else:
        found = [pair for root in roots for pair in datasets.read_pairs(root, layout)]
    return found[::every][:limit]


def excluded(pairs: Sequence[Any], names: Collection[str] = ()) -> set[str]:
    """Returns the data sets that do not count in averages.

    These are `names`, and the data sets that say `"in_averages": false` in the meta.json of one of
    their pairs. A name of no data set here is a `UserError`.
    """
    known = {pair.dataset for pair in pairs}
    for name in names:
        if name not in known:
            raise errors.UserError(
                f"exclude {name}", "is not a data set of these pairs", errors.nearest(name, known)
            )
    return {*names, *(pair.dataset for pair in pairs if not _is_averaged(pair))}


def _is_averaged(pair: Any) -> bool:
    """Returns what meta.json says; pairs of other layouts have none and count."""
    value = getattr(pair, "meta", {}).get("in_averages", True)
    if not isinstance(value, bool):
        where = Path(pair.folder) / "meta.json"
        raise errors.UserError(where, f'"in_averages" is {value!r}', "Write true or false")
    return value


def measure(
    pair: Any,
    methods: Sequence[Method],
    degradations: Sequence[Any],
    seed: int,
    digest: Any = None,
) -> list[Row]:
    """Returns a row per degradation and method, with "sums" for `scores.summary`.

    Args:
        degradations: each a `Degradation`, or another object with its attributes and methods.
        digest: of hashlib; it is fed the frames and the truth.

    Raises:
        UserError: a damaged pair, or one without a valid pixel.
    """
    truth, rows, clean_flow = pair.load(), [], {}
    if not truth.valid.any():
        remedy = "Correct it or leave the pair out"
        raise errors.UserError(pair.name, "no pixel has a valid true flow", remedy)
    clean = np.stack([truth.frame1, truth.frame2])
    if digest is not None:
        for array in (clean, truth.flow, truth.valid):
            digest.update(np.ascontiguousarray(array))
    seed = degraded.seed_of(pair, seed)
    beside = pair.neighbour() if any(method.window > 2 for method in methods) else None
    for degradation in degradations:
        frames, third = _seen(degradation, clean, beside, seed, truth.flow)
        for method in methods:
            flow, unsure = method.estimate(frames[0], frames[1], pair, third)
            reference = clean_flow.get(method.name) if method.looks else None
            if degradation.recipe == "clean":
                clean_flow[method.name] = flow
            count = 2 if third is None else min(method.window, 3)
            rows.append(
                {
                    "dataset": pair.dataset,
                    "name": pair.name,
                    "clip": pair.group,
                    "method": method.name,
                    "degradation": str(degradation),
                    "seed": seed,
                    "frames": count,
                    "seconds": round(method.seconds[-1], 4),
                    **_errors(flow, unsure, truth, reference),
                }
            )
    return rows


def _errors(flow, unsure, truth, reference) -> Row:
    """Returns the errors of one flow; `reference` is the method's flow of the clean frames."""
    sums = scores.pair_sums(flow, *truth[2:])
    if reference is not None:
        sums |= scores.distance_sums(flow, reference)
    curves = uncertainty.of_pair(flow, truth.flow, truth.valid, unsure)
    return {
        "pixels": sums["epe"][1],
        **{key: scores.ratio(value) for key, value in sums.items()},
        "ause": None if curves is None else curves["ause"],
        "sums": sums,
        "sparsification": curves,
    }


def estimate(
    pair: Any, truth: Any, method: Method, degradation: Any, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the frames (2, h, w, 3) that the method sees of a loaded pair, and its flow."""
    clean = np.stack([truth.frame1, truth.frame2])
    beside = pair.neighbour() if method.window > 2 else None
    frames, third = _seen(degradation, clean, beside, seed, truth.flow)
    return frames, method(frames[0], frames[1], pair, third)


def _seen(degradation, clean, beside, seed, flow):
    """Returns the two frames that all methods see, and the third for those that want one."""
    frames = degradation.apply(clean, seed, flow)
    if beside is None:
        return frames, None
    third = degradation.third(clean, beside.frame, seed, flow)
    return frames, beside._replace(frame=third)
