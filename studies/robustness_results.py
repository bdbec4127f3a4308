"""The files of a run by corruption and severity, and what the page keeps of them."""

import json
import statistics
from pathlib import Path
from typing import Any

from daflow_jax.degrade import recipes
from daflow_jax.errors import UserError

HOW = ("mean", "median")  # over the pairs of a data set
_ORDER = ("zero", "farneback", "dis")  # before all models
_SHARES = ("out1", "out3", "out5", "fl_all")


def place(out: Path, data: str, method: str, kind: str, severity: int) -> Path:
    """Returns where the result of a condition lies."""
    return out / "results" / data / method / f"{kind}-{severity}.json"


def is_done(file: Path, key: dict[str, Any]) -> bool:
    """Returns whether `file` holds a result of the same weights, settings and data."""
    return file.is_file() and json.loads(file.read_text())["key"] == key


def read(out: Path) -> dict[str, Any]:
    """Returns the content of NAME.json from the folder of a run, or from such a file.

    Results of one name on different pairs or degradations are a `UserError`: no method may be
    compared on other frames.
    """
    if out.is_file():
        return _renamed(json.loads(out.read_text()))
    found = [json.loads(path.read_text()) for path in sorted(out.glob("results/*/*/*.json"))]
    _check_alike(out, found)
    found.sort(key=lambda r: _baselines_first(r["method"]["name"]))
    sets = {
        r["data"]["name"]: {
            **r["data"],
            "datasets": {name: own["pairs"] for name, own in r["scores"]["datasets"].items()},
            "left_out_of_averages": r["scores"]["left_out_of_averages"],
            "pairs_with_occlusion": sum(row.get("epe_visible") is not None for row in r["rows"]),
        }
        for r in found
    }
    kept = {
        "schema": 1,
        "methods": {r["method"]["name"]: r["method"] for r in found},
        "data": {name: sets[name] for name in sorted(sets, reverse=True)},
        "environments": list({str(r["environment"]): r["environment"] for r in found}.values()),
        "cells": [_cell(r) for r in found],
    }
    return _renamed(kept)


def _renamed(stored: dict[str, Any]) -> dict[str, Any]:
    """Returns stored results with the names that recipes have now."""
    cells = [{**c, "type": recipes.ALIASES.get(c["type"], c["type"])} for c in stored["cells"]]
    return {**stored, "cells": cells}


def _check_alike(out: Path, found: list[dict[str, Any]]) -> None:
    seen: dict[str, dict[str, Any]] = {}
    for result in found:
        name, key = result["data"]["name"], {**result["key"], "method": None}
        if seen.setdefault(name, key) != key:
            rule = "holds results on different pairs, seeds or forms"
            remedy = "Run all methods again with the same options, or remove the folder"
            raise UserError(out / "results" / name, rule, remedy)


def _cell(result: dict[str, Any]) -> dict[str, Any]:
    """Returns what the page keeps of a condition."""
    scores = result["scores"]
    cell = {
        "data": result["data"]["name"],
        "method": result["method"]["name"],
        **{key: result[key] for key in ("type", "severity", "seconds")},
        **_errors(scores),
        "interval": _round(scores["intervals"]["epe"]),
        "datasets": {name: _errors(own) for name, own in scores["datasets"].items()},
    }
    if scores["sparsification"]:
        cell["sparsification"] = {k: _round(v) for k, v in scores["sparsification"].items()}
    return cell


def _errors(scores):
    known = {
        "epe": scores["over_pairs"]["epe"] or {},
        "visible": scores["over_pairs"]["epe_visible"] or {},
    }
    parts = {f"{k}_{how}": _round(v.get(how)) for k, v in known.items() for how in HOW}
    return {**parts, **{key: _round(scores[key]) for key in _SHARES}}


def _round(value):
    if isinstance(value, list):
        return [_round(each) for each in value]
    return None if value is None else float(f"{value:.4g}")


class Cells:
    """The cells of one data set, by method, corruption and severity."""

    def __init__(self, stored: dict[str, Any], data: str):
        own = [cell for cell in stored["cells"] if cell["data"] == data]
        self._cells = {(c["method"], c["type"], c["severity"]): c for c in own}
        self.methods = [name for name in stored["methods"] if any(c["method"] == name for c in own)]
        self.types = sorted({c["type"] for c in own} - {"clean"}, key=_combined_first)
        self.severities = sorted({c["severity"] for c in own})

    def get(self, method: str, kind: str, severity: int, *path: str) -> float | None:
        """Returns one number, None where it is not known; `path` as in NAME.json."""
        found: Any = self._cells.get((method, kind if severity else "clean", severity))
        for key in path:
            found = (found or {}).get(key)
        return found

    def complete(self) -> list[str]:
        """Returns the corruptions that every method has at every severity."""

        def has(kind):
            keys = ((m, kind, s) for m in self.methods for s in self.severities)
            return all(self.get(*key, "epe_mean") is not None for key in keys)

        return [kind for kind in self.types if has(kind)]

    def average(self, method: str, severity: int, *path: str) -> float | None:
        """Returns the mean over the complete corruptions."""
        known = [self.get(method, kind, severity, *path) for kind in self.complete()]
        known = [value for value in known if value is not None]
        return statistics.fmean(known) if known else None


def _combined_first(kind: str) -> tuple[bool, str]:
    return kind != "combined", kind


def _baselines_first(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER)), name
