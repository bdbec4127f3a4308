"""A model's weights under the names of another library, as its architecture declares them."""

from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax import errors, models, pretrained
from daflow_jax.convert import reverse
from daflow_jax.convert.architecture import Written
from daflow_jax.io import atomic, safetensors_file
from daflow_jax.pretrained import published

EXAMPLE = "load_example.py"


def libraries() -> tuple[str, ...]:
    """Returns the names of the libraries that some architecture can be written for."""
    known = published.architectures().values()
    return tuple(sorted({name for architecture in known for name in architecture.writes}))


def write(model: str | Path, library: str, out: str | Path) -> Path:
    """Returns the .safetensors file written in the folder `out`, with an example that loads it.

    The arrays are float32, in the library's order of axes; counters of its batch norms, which
    inference does not read, are left out.

    Raises UserError for a model that the library's network cannot hold.
    """
    loaded = pretrained.load(pretrained.resolve(model))
    flat = pretrained.flatten(loaded.variables)
    written = _written(model, loaded.config, library)
    layout, arrays = {}, []
    for path, array in flat.items():
        name, inverse = reverse.name_of(path, written.rules)
        array = inverse(np.asarray(array, np.float32))
        layout[name] = np.dtype(np.float32), array.shape
        arrays.append((name, array))
    file = Path(out) / f"{written.file}.safetensors"
    safetensors_file.write(file, layout, arrays)
    atomic.write_text(Path(out) / EXAMPLE, written.example)
    return file


def _written(model: str | Path, config: Any, library: str) -> Written:
    """Returns how the library names this network; it must have a published size."""
    entry = models.entry_of(config)
    table = models.loaded(entry.checkpoints) if entry.checkpoints else {}
    shapes = pretrained.shapes(config)
    fitting = [architecture for architecture in table.values() if library in architecture.writes]
    for architecture in fitting:
        if any(pretrained.shapes(models.preset(name)) == shapes for name in architecture.presets):
            return architecture.writes[library]
    sizes = ", ".join(name for architecture in fitting for name in architecture.presets)
    rule = f"is a {entry.family} of a size that {library} does not have"
    if not fitting:
        rule = f"is a {entry.family}, which {library} does not have"
    raise errors.UserError(model, rule, f"It has: {sizes}" if sizes else "Use --format stablehlo")
