"""Tables: errors by arm, paired with RAFT* over clips, with intervals and tests.

Each clip's error is averaged over the seeds that an arm and RAFT* both have. Intervals are a 95 %
bootstrap over clips, p is that of Wilcoxon's signed-rank test over clips, two-sided.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from daflow_jax import errors
from daflow_jax.evaluate import bootstrap, scores
from daflow_jax.io import atomic
from studies import page
from studies.features.arms import ARMS, CONTROL, Gate

_HEAD = ("arm", "seeds", "steps", "EPE", "by seed", "against RAFT*", "p", "moving", "exchange")
Rows = list[dict[str, Any]]


def make(out: Path, exclude: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """Returns the tables as Markdown, and their numbers."""
    found = {path.name: _condition(path) for path in sorted(out.glob("eval/*")) if path.is_dir()}
    if not found:
        raise errors.UserError(out, "holds no results", "Run `studies.features eval` first")
    runs = {p.parent.name: json.loads(p.read_text()) for p in sorted(out.glob("arms/*/done"))}
    record, parts = {}, []
    for name, arms in found.items():
        record[name] = {arm: _arm(arms, arm, runs, exclude) for arm in arms}
        parts.append(_table(name, record[name]))
    return "\n\n".join(parts), {"schema": 1, "runs": runs, "conditions": record}


def write(docs: Path, text: str, record: dict[str, Any]) -> None:
    """Writes the tables behind the page's own words, and the numbers beside it."""
    atomic.write_text(docs.with_suffix(".json"), json.dumps(record, indent=1) + "\n")
    page.fill(docs, "tables", text)


def gained(out: Path, gate: Gate) -> float | None:
    """Returns the share by which a gate's arm is below the other one, None if it is not known."""
    folder = out / "eval" / f"generated-{gate.condition}".replace(":", "-")
    files = [folder / f"{name}-{gate.seed}.json" for name in (gate.arm, gate.than)]
    if not all(file.exists() for file in files):
        return None
    ours, theirs = (_mean(json.loads(file.read_text())["rows"], "epe") for file in files)
    return 1 - ours / theirs


def _condition(folder: Path) -> dict[str, dict[str, Rows]]:
    """Returns rows by arm and seed ("" of weights that were not trained)."""
    found: dict[str, dict[str, Rows]] = defaultdict(dict)
    for file in sorted(folder.glob("*.json")):
        arm, _, seed = file.stem.rpartition("-")
        if arm not in ARMS:
            arm, seed = file.stem, ""
        found[arm][seed] = json.loads(file.read_text())["rows"]
    return dict(found)


def _arm(arms, arm: str, runs, exclude) -> dict[str, Any]:
    seeds = arms[arm]
    rows = scores.averaged(_over(seeds, list(seeds)), exclude)
    names = dict.fromkeys(row["dataset"] for row in rows)
    exchanged = [row["epe_exchanged"] for row in rows if row["epe_exchanged"] is not None]
    own = {
        "seeds": {s: _mean(scores.averaged(each, exclude), "epe") for s, each in seeds.items()},
        "steps": [runs[f"{arm}-{s}"]["steps"] for s in seeds if f"{arm}-{s}" in runs],
        "epe": _mean(rows, "epe"),
        "interval": bootstrap.intervals(rows, ("epe",), names, seed=0)[0]["epe"],
        "found": _mean(rows, "found"),
        "exchange": _mean(rows, "epe_exchanged") / _mean(rows, "epe") - 1 if exchanged else None,
        "above": None,
        "p": None,
    }
    common = sorted(set(seeds) & set(arms.get(CONTROL, {}))) or [""]
    control = arms.get(CONTROL)
    if control is None or arm == CONTROL:
        return own
    both = set(seeds) == {""}
    ours = scores.averaged(_over(seeds, list(seeds) if both else common), exclude)
    theirs = scores.averaged(_over(control, list(control) if both else common), exclude)
    return own | _paired(ours, theirs)


def _paired(ours: Rows, theirs: Rows) -> dict[str, Any]:
    base = _mean(theirs, "epe")
    difference = scores.difference(ours, theirs, seed=0)
    apart = [a["epe"] - b["epe"] for a, b in zip(ours, theirs, strict=True)]
    p = float(np.asarray(stats.wilcoxon(apart))[1]) if np.any(apart) else 1.0
    return {
        "above": {k: (np.array(v) / base).tolist() for k, v in difference.items() if v is not None},
        "p": p,
    }


def _over(seeds: dict[str, Rows], chosen: list[str]) -> Rows:
    """Returns the rows with their numbers averaged over seeds."""
    out = []
    for each in zip(*(seeds[seed] for seed in chosen), strict=True):
        row = dict(each[0])
        for key in ("epe", "found", "epe_exchanged"):
            known = [x[key] for x in each if x[key] is not None]
            row[key] = float(np.mean(known)) if known else None
        out.append(row)
    return out


def _mean(rows: Rows, key: str) -> float:
    """Returns the mean over clips per data set, then over data sets."""
    by_set = defaultdict(list)
    for row in rows:
        if row[key] is not None:
            by_set[row["dataset"]].append(row[key])
    return float(np.mean([np.mean(values) for values in by_set.values()])) if by_set else np.nan


def _table(name: str, arms: dict[str, Any]) -> str:
    lines = [f"### {name}", "", "| " + " | ".join(_HEAD) + " |", "|---" * len(_HEAD) + "|"]
    for arm, own in sorted(arms.items(), key=lambda item: item[1]["epe"]):
        spread = "" if own["interval"] is None else " [{:.2f}, {:.2f}]".format(*own["interval"])
        cells = [arm, str(len(own["seeds"])), " ".join(map(str, own["steps"]))]
        cells += [f"{own['epe']:.3f}{spread}", " ".join(f"{x:.3f}" for x in own["seeds"].values())]
        cells += [*_against(own), f"{100 * own['found']:.1f}"]
        cells.append("" if own["exchange"] is None else f"{own['exchange']:+.1%}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _against(own: dict[str, Any]) -> tuple[str, str]:
    share = own["above"]
    if share is None:
        return "", ""
    low, high = share.get("interval", (np.nan, np.nan))
    return f"{share['mean']:+.1%} [{low:+.1%}, {high:+.1%}]", f"{own['p']:.2g}"
