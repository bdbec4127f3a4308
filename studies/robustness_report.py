"""The results by corruption and severity as one HTML page a data set, to look at in a browser.

Nothing is computed again: averages and rows are those of the files, pictures those that were kept.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daflow_jax.evaluate import page, records, scores
from daflow_jax.evaluate.page import choice, content
from daflow_jax.io import image
from studies import robustness_results

_EXAMPLES = 3  # [choice] largest errors, and cases where the first method loses most

Found = dict[str, dict[str, dict[str, Any]]]  # results by condition and method


def write(out: Path, folder: Path) -> None:
    """Writes FOLDER/DATA.html for the folder of a run. Models come before baselines."""
    stored = robustness_results.read(out)
    methods = dict(reversed(stored["methods"].items()))
    for data, about in stored["data"].items():
        found = _read(out / "results" / data)
        known = {n: own for n, own in methods.items() if any(n in r for r in found.values())}
        page.write(folder / f"{data}.html", _content(out, data, about, known, found))


def _read(folder: Path) -> Found:
    """Returns the results of a data set; clean frames first, then by corruption and severity."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*/*.json"))]
    found: Found = {}
    for result in sorted(results, key=lambda r: (r["type"] != "clean", r["type"], r["severity"])):
        found.setdefault(_condition(result), {})[result["method"]["name"]] = result
    return found


def _condition(result: dict[str, Any]) -> str:
    kind = result["type"]
    return kind if kind == "clean" else f"{kind}:{result['severity']}"


def _content(out: Path, data: str, about: Any, methods: dict, found: Found) -> content.Content:
    every = [result for own in found.values() for result in own.values()]
    digest = every[0]["key"]["data"]
    return content.Content(
        kind=content.FLOW,
        record={
            "schema": 1,
            "command": f"python -m studies.robustness run, data {data}",
            "date": max(result["date"] for result in every),
            "data": {"name": data, "pairs": about["pairs"], "sha256": digest},
            "methods": methods,
            "environment": every[-1]["environment"],
            "conditions": {c: {m: r["scores"] for m, r in own.items()} for c, own in found.items()},
        },
        scores={c: dict(_scores(own, list(methods))) for c, own in found.items()},
        conditions={c: _recipe(own) for c, own in found.items()},
        records=methods,
        examples=list(_examples(out / "pictures" / data, list(methods), found)),
    )


def _recipe(own: dict[str, dict[str, Any]]) -> tuple[str, float]:
    result = next(iter(own.values()))
    return result["type"], result["severity"]


def _scores(own: dict[str, dict[str, Any]], methods: list[str]) -> Iterator[tuple[str, Any]]:
    """Yields the averages of each method, with the paired difference from the first."""
    first = own.get(methods[0])
    for name in (n for n in methods if n in own):
        result = own[name]
        summary = result["scores"]
        if first is not None and name != methods[0]:
            exclude = summary["left_out_of_averages"]
            seed = result["key"]["seed"]
            above = scores.difference(result["rows"], first["rows"], seed, exclude)
            summary = {**summary, "epe_above_first": above}
        yield name, summary


def _examples(folder: Path, methods: list[str], found: Found) -> Iterator[content.Example]:
    """Yields cases of which all methods' pictures were kept."""
    rows = [
        records.plain({**row, "degradation": condition})
        for condition, own in found.items()
        if all(name in own for name in methods)
        for result in own.values()
        for row in result["rows"]
        if row["dataset"] not in result["scores"]["left_out_of_averages"]
        if _place(folder, row["name"], condition).is_dir()
    ]
    datasets = {row["name"]: row["dataset"] for row in rows}
    for (name, condition), why in choice.choose(rows, methods, _EXAMPLES) if rows else ():
        own = (r for r in rows if (r["name"], r["degradation"]) == (name, condition))
        epe = {row["method"]: row["epe"] for row in own}
        pictures = dict(_pictures(folder, name, condition, methods))
        yield content.Example(name, datasets[name], condition, why, None, epe, pictures)


def _place(folder: Path, pair: str, condition: str) -> Path:
    kind, _, severity = condition.partition(":")
    return folder / pair.replace("/", "_") / f"{kind}-{severity or 0}"


def _pictures(folder: Path, pair: str, condition: str, methods) -> Iterator[tuple[Any, Any]]:
    here = _place(folder, pair, condition)
    yield ("first", ""), image.read_image(here / "frame.png")
    yield ("truth", ""), image.read_image(here.parent / "truth.png")
    for name in methods:
        if (file := here / f"flow-{name}.png").exists():
            yield ("flow", name), image.read_image(file)
