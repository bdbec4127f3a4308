"""The record of a command's run, and what it says and returns when it ends."""

import argparse
import datetime
import json
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from daflow_jax import __version__, errors
from daflow_jax.cli import console, sources

Work = Callable[[], tuple[dict[str, Any], errors.UserError | None]]


def of_model(args: argparse.Namespace, model: Any) -> dict[str, Any]:
    """Returns what a record keeps of a loaded model: which it is, and how it was run."""
    return {
        "name": model.name,
        "sha256": model.meta.get("sha256"),
        "precision": args.precision,
        "seed": args.seed,
        "device": str(model.device),
    }


class Manifest:
    """Runs the work of each input; keeps manifest.json up to date. A context manager.

    Args:
        args: with out, skip_existing and json.
        model, options: what the results depend on; a kept result needs the same.
        counts: the count of an entry ("pairs") and what was made of it ("flows").
    """

    def __init__(
        self,
        args: argparse.Namespace,
        model: dict[str, Any],
        options: dict[str, Any],
        counts: tuple[str, str],
    ):
        from daflow_jax import outputs

        self._args, self._counts = args, counts
        self._errors: list[errors.UserError] = []
        self._kept: list[str] = []
        self.record = outputs.Record(
            args.out,
            {
                "schema": 1,
                "command": " ".join(["daflow", *sys.argv[1:]]),
                "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "model": model,
                "options": options,
                "daflow": __version__,
            },
        )

    def add(self, sequence: Any, work: Work) -> None:
        """Runs `work` unless an earlier run did it; keeps its entry, and its error if it ended
        early."""
        source = sources.origin(sequence)
        if self._args.skip_existing:
            entry = self.record.finished(sequence.name, source)
            if entry is not None:
                self.record.add(entry)
                return
        try:
            entry, error = work()
        except errors.UserError as error:
            if error.code == 3:
                raise
            self._fail(sequence, error, [])
            return
        if error is not None:
            counted, word = self._counts
            rule = f"{error.rule.rstrip('.')}; {entry[counted]} {word} were written"
            kept = errors.UserError(error.where, rule, error.remedy, 5)
            self._fail(sequence, kept, entry["outputs"])
        else:
            self.record.add({"input": sequence.name, "source": source, **entry})

    def keep_or_add(self, sequence: Any, files: int) -> None:
        """Keeps an input whose results exist: its entry, or a line where no record says how they
        were made."""
        entry = self.record.finished(sequence.name, sources.origin(sequence))
        if entry is not None:
            self.record.add(entry)
            return
        self._kept.append(f"{self._args.out}/{sequence.name}: kept, {files} files exist")

    def _fail(self, sequence: Any, error: errors.UserError, made: list[str]) -> None:
        self._errors.append(error)
        failure = {"input": sequence.name, "error": str(error)}
        self.record.fail({**failure, "outputs": made} if made else failure)
        console.error(str(error))

    def distinct(self, key: str) -> set[str]:
        """Returns the different values, as text, that the entries have under a key."""
        return {str(entry[key]) for entry in self.record.done if key in entry}

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Saves what was done, also where the run ends early."""
        try:
            self.record.save()
        except errors.UserError:
            if error is None:
                raise

    def close(self) -> int:
        """Returns the exit code after saying what was done: a lone input's own code, 5 if some of
        the inputs failed."""
        self.record.save()
        done = self.record.done
        if self._args.json:
            print(json.dumps(self.record.own))
        else:
            counted, word = self._counts
            for entry in done:
                shown = (entry["outputs"] or [f"{self._args.out}/{entry['input']}"])[0]
                print(f"{shown}: {entry[counted]} {word} in {entry['seconds']:.1f} s")
            for line in self._kept:
                print(line)
        if len(self._errors) == 1 and not done and not self._kept:
            return self._errors[0].code
        return 5 if self._errors else 0
