"""manifest.json: with what a command ran, what it wrote, and which inputs failed."""

import argparse
import datetime
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daflow_jax import __version__, errors


class Manifest:
    """Collects what was done and what failed; writes manifest.json.

    Args:
        args: with out, overwrite, skip_existing and json.
        model, options: what the results depend on; a kept result needs the same.
        counts: the count of a record ("pairs") and what was made of it ("flows").
    """

    def __init__(
        self,
        args: argparse.Namespace,
        model: dict[str, Any],
        options: dict[str, Any],
        counts: tuple[str, str],
    ):
        self.args, self.path, self._counts = args, Path(args.out) / "manifest.json", counts
        self.overwrite = args.overwrite or args.skip_existing
        self.done: list[dict] = []
        self.failures: list[dict] = []
        self._errors: list[errors.UserError] = []
        self.head = {
            "schema": 1,
            "command": " ".join(["daflow", *sys.argv[1:]]),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "model": model,
            "options": options,
            "daflow": __version__,
        }
        self._kept = self._previous() if args.skip_existing else {}

    def _previous(self) -> dict[str, dict]:
        """Returns what an earlier run with the same model and options finished."""
        if not self.path.is_file():
            return {}
        old = json.loads(self.path.read_text(encoding="utf-8"))
        ours = json.loads(json.dumps(self.head))
        if any(old.get(key) != ours[key] for key in ("model", "options")):
            return {}
        return {record["input"]: record for record in old["sequences"] if _is_whole(record)}

    def add(self, sequence: Any, work: Callable[[], dict]) -> None:
        """Runs `work` unless an earlier run did it; keeps its record or its failure."""
        if sequence.name in self._kept:
            self.done.append(self._kept[sequence.name])
            return
        try:
            self.done.append(work())
        except errors.UserError as error:
            if error.code == 3:
                raise
            self._errors.append(error)
            self.failures.append({"input": sequence.name, "error": str(error)})
            print(f"daflow: error: {error}", file=sys.stderr)

    def distinct(self, key: str) -> set[str]:
        """Returns the different values, as text, that the records have under a key."""
        return {str(record[key]) for record in self.done if key in record}

    def close(self) -> int:
        """Returns the exit code after writing the file and the result: a lone input's own code."""
        from daflow_jax.io import atomic

        summary = {**self.head, "sequences": self.done, "failures": self.failures}
        atomic.write_text(self.path, json.dumps(summary, indent=1))
        if self.args.json:
            print(json.dumps(summary))
        else:
            counted, word = self._counts
            for record in self.done:
                made = f"{record[counted]} {word} in {record['seconds']:.1f} s"
                print(f"{record['outputs'][0]}: {made}")
        if len(self._errors) == 1 and not self.done:
            return self._errors[0].code
        return 5 if self.failures else 0


def _is_whole(record: dict[str, Any]) -> bool:
    return all(Path(file).is_file() for file in record["outputs"])
