"""Many cases: counts, violations, and how to repeat one."""

import collections
import dataclasses
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.fuzz import cases, rules, watchdog


@dataclasses.dataclass
class Report:
    """codes, kinds: how often. violations: (number, case, broken rules). slowest, largest: of one
    case, in seconds and bytes.
    """

    codes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    kinds: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    violations: list[tuple[int, dict, list[str]]] = dataclasses.field(default_factory=list)
    slowest: float = 0.0
    largest: int = 0
    seconds: float = 0.0
    starts: int = 0

    def text(self, seed: int) -> str:
        """Returns the figures, and for every violation a command that repeats it."""
        codes = ", ".join(f"{code}: {n}" for code, n in sorted(self.codes.items(), key=str))
        kinds = ", ".join(f"{name} {n}" for name, n in sorted(self.kinds.items()))
        lines = [
            f"{self.codes.total()} cases, seed {seed}, {self.seconds:.0f} s, "
            f"{self.starts} processes",
            f"exit codes {codes}",
            f"kinds {kinds}",
            f"slowest {self.slowest:.1f} s, most memory {self.largest / 2**20:.0f} MiB",
            f"violations: {len(self.violations)}",
        ]
        for number, case, found in self.violations:
            again = f"python -m tests.fuzz --seed {seed} --only {number}"
            lines.append(f"- {case['name']} {case['argv']}\n  {'; '.join(found)}\n  {again}")
        return "\n".join(lines)


def run(seed: int, numbers: Iterable[int], keep: Path | None = None) -> Report:
    """Returns the report of the cases; `keep` is a folder that their files stay in."""
    report, begun = Report(), time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="daflow-fuzz-") as temporary,
        watchdog.Worker() as worker,
    ):
        root = keep or Path(temporary)
        for number in numbers:
            folder = root / "cases" / str(number)
            case = cases.make(seed, number, folder)
            before = rules.state(folder)
            outcome = worker.run(case)
            found = rules.broken(folder, before, outcome)
            report.codes[outcome.code] += 1
            report.kinds[case["name"]] += 1
            report.slowest = max(report.slowest, outcome.seconds)
            report.largest = max(report.largest, outcome.peak)
            if os.environ.get("DAFLOW_FUZZ_LOUD") == "2" and outcome.code == 3:
                print(number, case["argv"], (folder / "stderr").read_text(), file=sys.stderr)
            if found:
                report.violations.append((number, case, found))
                if os.environ.get("DAFLOW_FUZZ_LOUD"):
                    print(number, case["name"], case["argv"], found, file=sys.stderr, flush=True)
            if keep is None:
                shutil.rmtree(folder)
        report.starts = worker.starts
    report.seconds = time.monotonic() - begun
    return report
