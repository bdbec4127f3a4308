"""The folder of an exported function: its file, its signature, and an example that runs it."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from daflow_jax.io import atomic

SIGNATURE, EXAMPLE = "signature.json", "load_example.py"


class Artefact(NamedTuple):
    """file: name of the exported function's file. blob: its bytes, weights inside. signature: what
    signature.json says of it. example: the program that loads and runs it.
    """

    file: str
    blob: bytes
    signature: dict[str, Any]
    example: str

    def write(self, folder: str | Path) -> Path:
        """Returns the folder, with the function, its signature and the example."""
        folder = Path(folder)
        atomic.write_bytes(folder / self.file, self.blob)
        atomic.write_text(folder / SIGNATURE, json.dumps(self.signature, indent=1) + "\n")
        atomic.write_text(folder / EXAMPLE, self.example)
        return folder
