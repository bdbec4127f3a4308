"""Compares every published array of the fixtures with ours, and writes docs/parity.md and .csv.

    python -m studies.parity            # 16 minutes on two busy cores
    python -m studies.parity --only raft_a --only dpt_s0

Exits with 1 if an array misses its tolerance.
"""

import argparse
import csv
import functools
import io
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import jax
import numpy as np

from daflow_jax.io import atomic
from studies import bfloat16
from tests.models import (
    parity,
    parity_backbone,
    parity_contrast,
    parity_flownets,
    parity_gmflow,
    parity_interpolation,
    parity_motion,
    parity_omnimotion,
    parity_raft,
    parity_restoration,
    parity_rife_all,
    parity_sea_raft,
    real_weights,
)
from tests.train import parity_train, parity_train_flownets

DOCS = Path(__file__).parents[1] / "docs"
MEASURES = {
    "absolute": "largest difference",
    "relative": "largest relative difference of the values above 1e-6 of the largest",
    "peak": "largest difference over the largest published magnitude",
    "exact": "0 if all are equal",
}
ELSEWHERE = (
    ("ops_*", "tests/ops, tests/losses, tests/metrics: samplers, warps, losses and metrics alone"),
    ("io_*", "tests/io: file formats, byte for byte"),
    ("schedule", "tests/train/test_schedule.py"),
    ("degrade_*", "tests/degrade: operators"),
)


_MOTION = {"flowe": parity_motion.flowe, "poodle": parity_motion.poodle, "gwm": parity_motion.gwm}
_CONTRAST = {"densecl": parity_contrast.densecl, "dora": parity_contrast.dora}


def fixtures() -> dict[str, tuple[str, Callable[[], Iterable[parity.Row]]]]:
    """Returns fixture -> (the test that checks it, what yields its rows)."""
    table: dict[str, tuple[str, Callable[[], Iterable[parity.Row]]]] = {}
    for name in ("raft", "raft-small"):
        for part in "ab":
            rows = functools.partial(parity_raft.rows, name, part)
            table[f"{name}_{part}"] = "tests/models/test_raft.py", rows
    for size, parts in (("s", "ab"), ("m", "ab"), ("l", "a")):
        for part in parts:
            rows = functools.partial(parity_sea_raft.rows, f"sea-raft-{size}", part)
            table[f"sea-raft-{size}_{part}"] = "tests/models/test_sea_raft.py", rows
    for name, part, batch_norm in parity_train.FIXTURES:
        rows = functools.partial(parity_train.rows, name, part, batch_norm)
        title = f"{name}_train_{part}" + (" bn_frozen" if batch_norm == "frozen" else "")
        table[title] = "tests/train/test_raft_step.py", rows
    for name in parity_backbone.FIXTURES:
        rows = functools.partial(parity_backbone.rows, name)
        table[name] = "tests/models/test_parity_backbone.py", rows
    for name, which in parity_flownets.available().items():
        rows = functools.partial(parity_flownets.rows, *which)
        table[name] = "tests/models/test_flownets.py", rows
    for name, which in parity_train_flownets.available().items():
        rows = functools.partial(parity_train_flownets.rows, *which)
        table[name] = "tests/train/test_flownets_step.py", rows
    if parity_gmflow.WEIGHTS.is_file() and parity_gmflow.GOLDEN.is_file():
        table["gmflow_real_a"] = "tests/models/test_gmflow.py", parity_gmflow.rows
    for name in parity_restoration.available():
        rows = functools.partial(parity_restoration.rows, *name.rsplit("_", 1))
        table[name] = "tests/models/test_jffra.py", rows
    for name in real_weights.available():
        rows = functools.partial(real_weights.rows, name)
        table[f"{name}_real_a"] = f"tests/models/test_{name}.py", rows
    for name, rows in parity_rife_all.available().items():
        table[name] = "tests/models/test_rife.py", rows
    for name in parity_interpolation.available():
        rows = functools.partial(parity_interpolation.rows, name)
        table[name] = "tests/predict/interpolation/test_published.py", rows
    for name, rows in (*_MOTION.items(), *_CONTRAST.items()):
        for part in "abc":
            if parity_motion.has(f"{name}_{part}"):
                place = "tests/models/test_motion_parity.py"
                table[f"{name}_{part}"] = place, functools.partial(rows, part)
    for part in filter(parity_omnimotion.has, "ab"):
        rows = functools.partial(parity_omnimotion.rows, part)
        table[f"omnimotion_{part}"] = "tests/models/test_omnimotion.py", rows
    return table


def measure(rows: Iterable[parity.Row]) -> list[dict]:
    """Returns one record per array."""
    return [
        {
            "array": row.name,
            "values": int(np.size(row.published)),
            "published_peak": _peak(row.published),
            "ours_peak": _peak(row.ours),
            "difference": row.error(),
            "tolerance": row.tolerance,
            "measure": row.measure,
            "holds": row.holds(),
        }
        for row in rows
    ]


def _peak(values) -> float | str:
    values = np.asarray(values)
    return float(np.abs(values).max()) if values.dtype.kind in "fiu" and values.size else ""


def summary(records: dict[str, list[dict]], tests: dict[str, str]) -> str:
    """Returns the table: one line per fixture and measure, with the array that is nearest to its
    tolerance."""
    lines = [
        "| fixture | arrays | measure | nearest to its tolerance | published peak | ours "
        "| difference | tolerance | proved by |",
        "|---|---:|---|---|---:|---:|---:|---:|---|",
    ]
    for fixture, rows in records.items():
        for kind in MEASURES:
            some = [row for row in rows if row["measure"] == kind]
            if not some:
                continue
            worst = max(some, key=lambda row: row["difference"] / (row["tolerance"] or 1))
            peaks = (_short(worst[k]) for k in ("published_peak", "ours_peak"))
            lines.append(
                f"| {fixture} | {len(some)} | {kind} | `{worst['array']}` | {' | '.join(peaks)} "
                f"| {worst['difference']:.1e} | {worst['tolerance']:.1e} | `{tests[fixture]}` |"
            )
    return "\n".join(lines)


def _short(value) -> str:
    return f"{value:.6g}" if value != "" else ""


def page(records, tests, seconds) -> str:
    """Returns docs/parity.md."""
    count = sum(len(rows) for rows in records.values())
    missed = [row for rows in records.values() for row in rows if not row["holds"]]
    kinds = "\n".join(f"- {name}: {text}" for name, text in MEASURES.items())
    others = "\n".join(f"- `{name}`: {where}" for name, where in ELSEWHERE)
    return f"""# Parity with the published networks

Written by `python -m studies.parity` ({seconds:.0f} s, jax {jax.__version__},
{jax.default_backend()}, float32). The fixtures in `tests/golden` were computed with the authors'
own code from weights that a recipe makes from names and shapes. (No code of JFFRA
was published: its blocks are those of a separate implementation of the text.)
Each array of each fixture is compared; each tolerance is the published code's own float32 error
with a margin. {count} arrays,
{len(missed)} outside of their tolerance. `parity.csv` lists all of them.

{summary(records, tests)}

Measures:

{kinds}

Fixtures without a network are checked array by array in their own tests:

{others}

Not applicable: `augment_*` (no JAX; `test_augment.py`).

## bfloat16

The same weights and inputs with 16-bit layers (`studies/bfloat16.py`); correlation, flow
coordinates, statistics of norms and softmax stay float32. The weights are random, which magnifies
differences: see the README for trained ones.

{bfloat16.table()}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", default=[], metavar="FIXTURE")
    args = parser.parse_args()
    jax.config.update("jax_default_matmul_precision", "highest")
    table = {k: v for k, v in fixtures().items() if not args.only or k in args.only}
    records, begun = {}, time.perf_counter()
    for name, (_, rows) in table.items():
        records[name] = measure(rows())
        print(f"{name}: {len(records[name])} arrays", file=sys.stderr, flush=True)
    text = page(records, {k: test for k, (test, _) in table.items()}, time.perf_counter() - begun)
    if args.only:
        print(text)
    else:
        atomic.write_text(DOCS / "parity.md", text)
        atomic.write_text(DOCS / "parity.csv", _csv(records))
    return int(any(not row["holds"] for rows in records.values() for row in rows))


def _csv(records) -> str:
    out = io.StringIO()
    writer = None
    for fixture, rows in records.items():
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(out, ["fixture", *row], lineterminator="\n")
                writer.writeheader()
            writer.writerow({"fixture": fixture} | row)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
