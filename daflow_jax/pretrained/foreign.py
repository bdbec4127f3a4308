"""A model's weights under the names of another library, as its architecture declares them."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import errors, models, pretrained
from daflow_jax.convert import reverse
from daflow_jax.convert.architecture import Written
from daflow_jax.io import atomic, safetensors_file, storage
from daflow_jax.io.storage import Place
from daflow_jax.pretrained import published

EXAMPLE = "load_example.py"


def libraries() -> tuple[str, ...]:
    """Returns the names of the libraries that some architecture can be written for."""
    known = published.architectures().values()
    return tuple(sorted({name for architecture in known for name in architecture.writes}))


class File(NamedTuple):
    """path: of the .safetensors file. ignored: our parameters left out -> why."""

    path: Place
    ignored: dict[str, str]


def write(model: str | Path, library: str, out: str | Place) -> File:
    """Returns the file written in the folder `out`, beside an example that loads it.

    The arrays are float32, in the library's order of axes; counters of its batch norms, which
    inference does not read, are left out.

    Raises UserError for a model that the library's network cannot hold.
    """
    loaded = pretrained.load(pretrained.resolve(model))
    flat = pretrained.flatten(loaded.variables)
    written, ignored = _written(model, loaded.config, library)
    arrays: list[tuple[str, np.ndarray]] = []
    for path in flat.keys() - ignored.keys():
        name, inverse = reverse.name_of(path, written.rules)
        array = inverse(np.asarray(flat[path], np.float32))
        arrays.append((name, array))
    arrays.sort(key=lambda pair: pair[0])
    layout = {name: (np.dtype(np.float32), array.shape) for name, array in arrays}
    file = storage.place(out) / f"{written.file}.safetensors"
    safetensors_file.write(file, layout, arrays)
    atomic.write_text(storage.place(out) / EXAMPLE, written.example)
    return File(file, ignored)


def _written(model: str | Path, config: Any, library: str) -> tuple[Written, dict[str, str]]:
    """Returns how the library names this network, which must have a published size, and which of
    our parameters it lacks."""
    entry = models.entry_of(config)
    table = models.loaded(entry.checkpoints) if entry.checkpoints else {}
    fitting = [architecture for architecture in table.values() if library in architecture.writes]
    shapes = pretrained.shapes(config)
    for architecture in fitting:
        written = architecture.writes[library]
        lacking = {path: why for path in shapes if (why := _ignored(path, written.ignored))}
        kept = {path: shape for path, shape in shapes.items() if path not in lacking}
        if any(pretrained.shapes(models.preset(name)) == kept for name in architecture.presets):
            return written, lacking
    sizes = ", ".join(name for architecture in fitting for name in architecture.presets)
    rule = f"is a {entry.family} of a size that {library} does not have"
    if not fitting:
        rule = f"is of family {entry.family}, which {library} does not have"
    raise errors.UserError(model, rule, f"It has: {sizes}" if sizes else "Use --format stablehlo")


def _ignored(path: str, rules: Any) -> str | None:
    return next((why for pattern, why in rules if re.fullmatch(pattern, path)), None)
