"""What the comparison of flow networks shows: errors by arm, with intervals and paired tests.

A row is an arm: each pair's error is averaged over the arm's seeds, then pairs over data sets.
Intervals are a 95 % bootstrap over clips; the distance to RAFT* is that of the same pairs, its
p-value of Wilcoxon's signed-rank test over pairs, two-sided.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from daflow_jax import errors
from daflow_jax.degrade import recipes
from daflow_jax.evaluate import bootstrap, scores
from daflow_jax.io import atomic
from studies import page, robustness

REFERENCE = "raft-star"
UNTOUCHED, RESTORED = "published", "restored"
_HEAD = ("network", "seeds", "EPE", "by seed", "against RAFT*", "p")


class Condition(NamedTuple):
    """A data set at a corruption and severity.

    rows: pairs, by arm and seed. exclude: data sets that averages leave out.
    """

    name: str
    rows: dict[str, dict[str, list[dict[str, Any]]]]
    exclude: tuple[str, ...] = ()


def add_commands(commands: Any) -> None:
    """Adds `eval` and `report` to the commands."""
    evaluate = commands.add_parser("eval", help="errors of all trained arms; resumable")
    evaluate.set_defaults(run=run_eval)
    evaluate.add_argument("out", type=Path)
    evaluate.add_argument("pairs", nargs="*", metavar="PAIRS")
    evaluate.add_argument("--raft", default="", help="the published network, untouched")
    evaluate.add_argument("--restorer", default="", help="restores before the published network")
    evaluate.add_argument("--generated", default="48", metavar="N", help="held-out clips (48)")
    evaluate.add_argument("--size", default="192x256", metavar="HxW", help="of these clips")
    evaluate.add_argument("--types", default="combined")
    evaluate.add_argument("--severities", default="3,5")
    evaluate.add_argument("--exclude", default="", metavar="NAME,...", help="not in averages")
    report = commands.add_parser("report", help="tables of the evaluation")
    report.set_defaults(run=run_report)
    report.add_argument("out", type=Path)
    report.add_argument("--docs", type=page.path, default=Path("docs/comparison.md"))


def run_eval(args: argparse.Namespace) -> int:
    """Returns the exit code of the run by corruption over all arms that are trained."""
    arms = sorted(path.parent for path in args.out.glob("arms/*/done"))
    if not arms:
        raise errors.UserError(args.out, "holds no finished arm", "Run `comparison train` first")
    models = [f"{path.name}={path / 'export/last'}" for path in arms]
    words = ["run", str(args.out / "eval"), *args.pairs, "--generated", args.generated]
    words += ["--size", args.size, "--types", args.types, "--severities", args.severities]
    words += ["--exclude", args.exclude]
    words += [word for model in models for word in ("--model", model)]
    if args.raft:
        words += ["--model", f"{UNTOUCHED}={args.raft}"]
    if args.restorer:
        words += ["--restored", f"{RESTORED}={args.restorer}:{args.raft}"]
    return robustness.main(words)


def run_report(args: argparse.Namespace) -> int:
    """Returns 0 after writing the page and the numbers beside it."""
    found = [_scores(condition) for condition in _conditions(args.out / "eval")]
    runs = {path.parent.name: _run(path) for path in sorted(args.out.glob("arms/*/config.json"))}
    record = {"schema": 1, "conditions": found, "runs": runs}
    atomic.write_text(args.docs.with_suffix(".json"), json.dumps(record, indent=1) + "\n")
    tables = "\n\n".join(_table(condition) for condition in found)
    page.fill(args.docs, "tables", tables)
    return 0


def _conditions(folder: Path):
    """Yields the conditions of an evaluation, clean first."""
    files, exclude = defaultdict(lambda: defaultdict(dict)), {}
    for file in sorted(folder.glob("results/*/*/*.json")):
        result = json.loads(file.read_text())
        arm, _, seed = result["method"]["name"].rpartition("-")
        if not seed.isdigit():
            arm, seed = result["method"]["name"], ""
        kind = recipes.ALIASES.get(result["type"], result["type"])
        place = result["severity"], result["data"]["name"], kind
        files[place][arm][seed] = result["rows"]
        exclude[place] = tuple(result["scores"]["left_out_of_averages"])
    for place, rows in sorted(files.items()):
        severity, data, kind = place
        name = f"{data}, {kind}" + (f" {severity}" if severity else "")
        yield Condition(name, dict(rows), exclude[place])


def _scores(condition: Condition) -> dict[str, Any]:
    """Returns the numbers of every arm at one condition."""
    means = {arm: _over_seeds(seeds) for arm, seeds in condition.rows.items()}
    pairs = len(next(iter(means.values())))
    means = {arm: scores.averaged(rows, condition.exclude) for arm, rows in means.items()}
    arms = {arm: _arm(condition, arm, means) for arm in means}
    return {"condition": condition.name, "pairs": pairs, "arms": arms}


def _over_seeds(seeds: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Returns the pairs with their errors averaged over seeds."""
    errors = np.mean([[row["epe"] for row in rows] for rows in seeds.values()], axis=0)
    first = next(iter(seeds.values()))
    return [{**row, "epe": float(epe)} for row, epe in zip(first, errors, strict=True)]


def _arm(condition: Condition, arm: str, means) -> dict[str, Any]:
    rows = means[arm]
    own = {
        "seeds": {
            seed: _mean(scores.averaged(each, condition.exclude))
            for seed, each in condition.rows[arm].items()
        },
        "epe": _mean(rows),
        "interval": _interval(rows),
        "above_reference": None,
        "p": None,
    }
    reference = means.get(REFERENCE)
    if reference is None or reference is rows:
        return own
    difference = scores.difference(rows, reference, seed=0)
    base = _mean(reference)
    share = {k: (np.array(v) / base).tolist() for k, v in difference.items() if v is not None}
    apart = [a["epe"] - b["epe"] for a, b in zip(rows, reference, strict=True)]
    p = float(np.asarray(stats.wilcoxon(apart))[1]) if np.any(apart) else 1.0
    return {**own, "above_reference": share, "p": p}


def _mean(rows) -> float:
    """Returns the mean over pairs per data set, then over data sets."""
    by_set = defaultdict(list)
    for row in rows:
        by_set[row["dataset"]].append(row["epe"])
    return float(np.mean([np.mean(values) for values in by_set.values()]))


def _interval(rows) -> list[float] | None:
    names = dict.fromkeys(row["dataset"] for row in rows)
    return bootstrap.intervals(rows, ("epe",), names, seed=0)[0]["epe"]


def _run(file: Path) -> dict[str, Any]:
    """Returns the length of a run and the seconds that its steps took."""
    lines = [json.loads(line) for line in (file.parent / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "step_s" in line]
    every = steps[0]["step"] if steps else 0
    config = json.loads(file.read_text())
    return {
        "steps": config["train"]["steps"],
        "seconds": round(sum(line["step_s"] * every for line in steps)),
        "seed": config["seed"],
    }


def _table(found: dict[str, Any]) -> str:
    lines = [f"### {found['condition']} ({found['pairs']} pairs)", ""]
    lines += ["| " + " | ".join(_HEAD) + " |", "|---" * len(_HEAD) + "|"]
    for arm, own in sorted(found["arms"].items(), key=lambda item: item[1]["epe"]):
        by_seed = " ".join(f"{value:.2f}" for value in own["seeds"].values())
        spread = "" if own["interval"] is None else " [{:.2f}, {:.2f}]".format(*own["interval"])
        cells = [arm, str(len(own["seeds"])), f"{own['epe']:.2f}{spread}", by_seed]
        lines.append("| " + " | ".join([*cells, *_against(own)]) + " |")
    return "\n".join(lines)


def _against(own: dict[str, Any]) -> tuple[str, str]:
    share = own["above_reference"]
    if share is None:
        return "", ""
    low, high = share.get("interval", (np.nan, np.nan))
    return f"{share['mean']:+.1%} [{low:+.1%}, {high:+.1%}]", f"{own['p']:.2g}"
