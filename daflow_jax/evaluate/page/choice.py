"""Which pairs are worth a look, and their pictures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from daflow_jax import viz
from daflow_jax.evaluate import pairs, pictures, scores
from daflow_jax.evaluate.collect import Row
from daflow_jax.evaluate.page.content import Example

Case = tuple[str, str]  # name of the pair, text of the degradation


def choose(rows: Sequence[Row], methods: Sequence[str], count: int) -> list[tuple[Case, str]]:
    """Returns cases and why each was chosen, no pair twice.

    First come the `count` largest errors of the first method, then up to `count` cases where
    another method is better than the first by most.
    """
    by_case: dict[Case, dict[str, float]] = {}
    for row in rows:
        by_case.setdefault((row["name"], row["degradation"]), {})[row["method"]] = row["epe"]
    first, others = methods[0], methods[1:]
    worst = sorted(by_case, key=lambda case: -by_case[case][first])
    found = [(case, f"Among the largest errors of {first}") for case in _distinct(worst, count, ())]

    def lost(case: Case) -> float:
        return by_case[case][first] - min(by_case[case][name] for name in others)

    behind = sorted((c for c in by_case if others and lost(c) > 0), key=lambda c: -lost(c))
    for case in _distinct(behind, count, [name for (name, _), _ in found]):
        other = min(others, key=by_case[case].__getitem__)
        found.append((case, f"Among the pairs where {first} loses most, here to {other}"))
    return found


def _distinct(cases: Sequence[Case], count: int, known: Sequence[str]) -> Iterator[Case]:
    """Yields the first `count` cases of different pairs, none of them `known`."""
    seen = set(known)
    limit = len(seen) + count
    for case in cases:
        if len(seen) >= limit:
            return
        if case[0] not in seen:
            seen.add(case[0])
            yield case


def examples(results: Any, count: int) -> list[Example]:
    """Returns the chosen pairs of a `Results`, estimated again by all methods.

    Data sets that averages leave out are not chosen from.
    """
    methods = [method.named(method.name) for method in results.methods]  # count in no speed
    by_name = {pair.name: pair for pair in results.data.pairs}
    by_text = {str(degradation): degradation for degradation in results.degradations}
    rows = {(r["name"], r["degradation"], r["method"]): r for r in results.rows}
    found = []
    own_scores = results.scores[next(iter(by_text))][methods[0].name]
    counted = scores.averaged(results.rows, own_scores["left_out_of_averages"])
    for (name, text), why in choose(counted, [m.name for m in methods], count):
        own = {m.name: rows[name, text, m.name] for m in methods}
        found.append(_example(by_name[name], by_text[text], own, methods, why))
    return found


def _example(pair: Any, degradation: Any, rows: Mapping[str, Row], methods, why: str) -> Example:
    truth = pair.load()
    scale = pictures.max_speed(truth.flow, truth.valid)
    drawn = {("truth", ""): viz.flow_to_rgb(truth.flow, scale, truth.valid)}
    for method in methods:
        seed = rows[method.name]["seed"]
        frames, flow = pairs.estimate(pair, truth, method, degradation, seed)
        drawn["first", ""], drawn["second", ""] = map(_eight_bits, frames)
        drawn["flow", method.name] = viz.flow_to_rgb(flow, scale)
        drawn["error", method.name] = viz.error_to_rgb(flow, truth.flow, truth.valid, scale)
    epe = {name: row["epe"] for name, row in rows.items()}
    return Example(pair.name, pair.dataset, str(degradation), why, scale, epe, drawn)


def _eight_bits(frame: np.ndarray) -> np.ndarray:
    return (frame >> 8).astype(np.uint8) if frame.dtype == np.uint16 else frame
