"""A model folder made from another: smaller, of another dtype, or with other defaults."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from daflow_jax import errors, models, pretrained
from daflow_jax.export import slim as slims
from daflow_jax.io import protected, storage
from daflow_jax.io.storage import Place
from daflow_jax.pretrained import int8

DTYPES = (*pretrained.DTYPES, "int8")  # of the kernels alone


class Written(NamedTuple):
    """before, after: numbers of arrays. error: root mean square of what rounding to 8 bits changed
    over that of the weights; None without."""

    before: int
    after: int
    error: float | None = None


def write(
    model: str | Path,
    out: str | Place,
    *,
    slim: bool = False,
    dtype: str | None = None,
    shard_bytes: int | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Written:
    """Writes the folder and returns what was written.

    Args:
        model: name, folder or .safetensors file.
        slim: leave out what the results do not need, see `daflow_jax.export.slim`.
        dtype: of the parameters, None = as they are; statistics keep theirs. "int8" rounds kernels
            and leaves everything else as it is, see `daflow_jax.pretrained.int8`.
        shard_bytes: several files of weights, none larger than this; None writes one.
        defaults: how the new folder runs unless asked otherwise, over the old one's.
    """
    source = pretrained.resolve(model)
    there = protected.identity(out)
    if there is not None and there == protected.identity(source):
        rule = "is the model that is read; it would be overwritten"
        raise errors.UserError(out, rule, "Choose another --out")
    loaded = pretrained.load(source)
    flat = pretrained.flatten(loaded.variables)
    config, meta = loaded.config, loaded.meta
    chosen = {name: value for name, value in (defaults or {}).items() if value is not None}
    _check_defaults(model, config, chosen)
    arrays = ((name, flat[name]) for name in pretrained.shapes(config))
    if slim:
        config = slims.config(config, model)
        arrays = slims.arrays(loaded.config, config, flat)
    rounder = int8.Rounder() if dtype == "int8" else None
    layout = _layout(config, flat, None if rounder else dtype)
    if rounder:
        layout, arrays = int8.layout(layout), rounder.arrays(arrays)
    pretrained.write(
        out,
        config,
        layout,
        arrays,
        name=storage.place(out).name,
        defaults={**meta["defaults"], **chosen},
        training={**meta["training"], "exported_from": meta.get("sha256"), "slim": slim},
        card=_card(source),
        shard_bytes=shard_bytes,
    )
    return Written(len(flat), len(layout), rounder.error if rounder else None)


def _check_defaults(model, config, chosen) -> None:
    entry = models.entry_of(config)
    known = [option.name for option in entry.call_options if not option.files]
    known += ["scales"] if entry.refines else []
    for name in chosen:
        if name not in known:
            rule = f"is not an option of {model}, a {entry.kind} model ({entry.family})"
            raise errors.UserError(name, rule, errors.nearest(name, known))


def _card(source: Path) -> str | None:
    """Returns the card of the model that this one is made from: its terms hold on."""
    file = source / pretrained.CARD
    if not file.is_file():
        return None
    return file.read_text(encoding="utf-8").rstrip("\n") + "\n\nExported by `daflow export`.\n"


def _layout(config, flat, dtype):
    """Returns name -> dtype, shape."""
    return {
        name: (
            pretrained.DTYPES[dtype] if dtype and name.startswith("params/") else flat[name].dtype,
            shape,
        )
        for name, shape in pretrained.shapes(config).items()
    }
