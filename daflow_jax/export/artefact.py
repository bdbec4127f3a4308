"""The folder of an exported function: its file, its signature, and an example that runs it."""

import json
from typing import Any, NamedTuple

from daflow_jax.io import atomic, storage
from daflow_jax.io.storage import Place

SIGNATURE, EXAMPLE = "signature.json", "load_example.py"


class Artefact(NamedTuple):
    """file: name of the exported function's file. blob: its bytes, weights inside. signature: what
    signature.json says of it. example: the program that loads and runs it.
    """

    file: str
    blob: bytes
    signature: dict[str, Any]
    example: str

    def write(self, folder: str | Place) -> Place:
        """Returns the folder, with the function, its signature and the example."""
        folder = storage.place(folder)
        atomic.write_bytes(folder / self.file, self.blob)
        atomic.write_text(folder / SIGNATURE, json.dumps(self.signature, indent=1) + "\n")
        atomic.write_text(folder / EXAMPLE, self.example)
        return folder
