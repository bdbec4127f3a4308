"""manifest.json of an output folder: with what a run worked, what it wrote, which inputs failed.

The file is kept up to date while a run works, so that one that was interrupted goes on, and it
keeps what earlier runs wrote into the folder.
"""

import json
import time
from pathlib import Path
from typing import Any

from daflow_jax.io import atomic, json_file

NAME = "manifest.json"
_REMEDY = "Move it away or choose another --out"
_SETTINGS = ("model", "options")  # what results depend on


class Record:
    """The record of a run in `folder`.

    Args:
        head: about the run; its "model" and "options" are what results depend on. Entries of
            earlier runs with other ones keep theirs beside them.

    A file that is not such a record is a `UserError`.

    Attributes:
        done: entries of this run; each has at least "input", "source" and "outputs".
        failures: of this run, {"input", "error"} and maybe "outputs" that stay.
    """

    def __init__(self, folder: str | Path, head: dict[str, Any]):
        self.path, self.head = Path(folder) / NAME, json.loads(json.dumps(head))
        self.done: list[dict] = []
        self.failures: list[dict] = []
        self._earlier, self._failed = self._read()
        self._saved, self._cost = 0.0, 0.0

    def _read(self) -> tuple[dict[str, dict], dict[str, dict]]:
        """Returns entries and failures of earlier runs by their input."""
        if not self.path.exists() and not self.path.is_symlink():
            return {}, {}
        fields = json_file.read_object(self.path, _REMEDY)
        settings = {key: fields.object(key).values for key in _SETTINGS}
        entries = {}
        for index, entry in enumerate(_objects(fields, "sequences")):
            one = json_file.Fields(self.path, entry, _REMEDY, f"sequences[{index}].")
            _outputs(one)
            entries[one.text("input")] = {**settings, **entry}
        failures = {}
        for index, entry in enumerate(_objects(fields, "failures")):
            one = json_file.Fields(self.path, entry, _REMEDY, f"failures[{index}].")
            failures[one.text("input")] = entry
        return entries, failures

    def finished(self, name: str, source: str) -> dict | None:
        """Returns the entry of an input that an earlier run finished with the same settings, if all
        that it wrote is still there."""
        entry = self._earlier.get(name)
        if entry is None or entry.get("source", source) != source:
            return None
        same = all(entry[key] == self.head[key] for key in _SETTINGS)
        there = all(Path(file).is_file() for file in entry["outputs"])
        return self._compact(entry) if same and entry["outputs"] and there else None

    def add(self, entry: dict[str, Any]) -> None:
        """Adds what an input became, and saves the record unless that was a moment ago."""
        self.done.append(entry)
        if time.monotonic() - self._saved > 10 * self._cost:
            self.save()

    def fail(self, failure: dict[str, Any]) -> None:
        """Adds an input that failed."""
        self.failures.append(failure)

    @property
    def own(self) -> dict[str, Any]:
        """What this run did."""
        return {**self.head, "sequences": self.done, "failures": self.failures}

    def save(self) -> None:
        """Writes the file, if this run made anything."""
        if not self.done and not any(failure.get("outputs") for failure in self.failures):
            return
        begun = time.monotonic()
        here = {entry["input"] for entry in (*self.done, *self.failures)}
        made = {entry["input"] for entry in self.done}
        earlier = [self._compact(e) for name, e in self._earlier.items() if name not in made]
        failed = [failure for name, failure in self._failed.items() if name not in here]
        whole = {
            **self.head,
            "sequences": earlier + self.done,
            "failures": failed + self.failures,
        }
        atomic.write_text(self.path, json.dumps(whole, indent=1))
        self._saved = time.monotonic()
        self._cost = self._saved - begun

    def _compact(self, entry: dict) -> dict:
        """Returns an entry without the settings that the head says."""
        return {k: v for k, v in entry.items() if k not in _SETTINGS or v != self.head[k]}


def _objects(fields: json_file.Fields, name: str) -> list[dict]:
    values = fields.any(name)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise fields.wrong(name, values, "a list of objects")
    return values


def _outputs(entry: json_file.Fields) -> list[str]:
    values = entry.any("outputs")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise entry.wrong("outputs", values, "a list of file names")
    return values
