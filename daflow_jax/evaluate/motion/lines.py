"""A file of motion scores, one JSON object a line, that grows and survives being interrupted."""

import json
import os
from pathlib import Path
from typing import Any

from daflow_jax import errors
from daflow_jax.io import atomic, json_file, regular_file

SCHEMA = 1


class Lines:
    """The scores in a file, which new ones are added to.

    A last line that was not written whole is removed: its video is scored again.

    Args:
        path: made if it is missing, with its folder.
        settings: what scores depend on besides the video. Those in the file must have the same.
        overwrite: begin an empty file.

    Attributes:
        scored: the objects by the name of their video.

    Raises:
        UserError: the file holds something else, or cannot be written.
    """

    def __init__(self, path: str | Path, settings: dict[str, Any], overwrite: bool = False):
        self.path = Path(path)
        self._settings = json.loads(json.dumps(settings))  # as it will be read
        self.scored: dict[str, dict[str, Any]] = {}
        if overwrite:
            atomic.write_text(self.path, "")
        elif os.path.lexists(self.path) and (not self.path.is_file() or os.path.getsize(path)):
            self._read()

    def add(self, video: str, score: dict[str, Any]) -> dict[str, Any]:
        """Returns the object of a video after its line has reached the disk."""
        record = {"schema": SCHEMA, "video": video, **score, "settings": self._settings}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab", opener=atomic.no_link) as file:
                file.write(json.dumps(record).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise atomic.write_error(self.path, error) from error
        self.scored[video] = record
        return record

    def _read(self) -> None:
        regular_file.check(self.path)
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        *lines, _ = whole.split(b"\n")
        if lines and not _is_json(lines[-1]):  # a disk may keep the length and lose the bytes
            whole = whole[: -len(lines.pop()) - 1]
        for number, line in enumerate(lines, 1):
            self._take(json_file.loads(line, f"{self.path}:{number}", _REMEDY), number)
        if len(whole) < len(data):
            atomic.write_bytes(self.path, whole)

    def _take(self, record: Any, number: int) -> None:
        where = f"{self.path}:{number}"
        if not isinstance(record, dict) or not isinstance(record.get("video"), str):
            raise errors.UserError(where, "is not a motion score", _REMEDY)
        if record.get("schema") != SCHEMA or record.get("settings") != self._settings:
            other = record.get("settings")
            names = [
                key
                for key, value in self._settings.items()
                if not isinstance(other, dict) or other.get(key) != value
            ]
            rule = f"was scored with other settings ({', '.join(names) or 'schema'})"
            raise errors.UserError(where, rule, _REMEDY)
        self.scored[record["video"]] = record


_REMEDY = "Pass --overwrite or another --out"


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
