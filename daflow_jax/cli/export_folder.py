"""`daflow export --format folder`: a smaller model folder with the same results but rounding, or
with other defaults (--iters, --scales)."""

import argparse
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax import errors
from daflow_jax.cli import console, options


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this format."""
    parser.add_argument(
        "--slim",
        action="store_true",
        help="folder: keep of the restoration backbone what the first denoising step needs",
    )
    parser.add_argument(
        "--dtype", choices=options.WEIGHT_DTYPES, help="folder: of the parameters (as they are)"
    )
    parser.add_argument(
        "--shard-mb",
        type=options.at_least(1),
        metavar="MB",
        help="folder: several files of weights, none larger than this (one file)",
    )


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing the folder."""
    from daflow_jax import pretrained

    out = Path(args.out)
    if (out / pretrained.CONFIG).exists() and not args.overwrite:
        raise errors.UserError(out, "holds a model", "Pass --overwrite or another --out")
    source = pretrained.resolve(args.model)
    loaded = pretrained.load(source)
    flat = pretrained.flatten(loaded.variables)
    config = loaded.config
    arrays = ((name, flat[name]) for name in pretrained.shapes(config))
    if args.slim:
        config = _slim_config(args.model, config)
        arrays = _slim_arrays(loaded.config, config, flat)
    layout = _layout(config, flat, args.dtype)
    meta = loaded.meta
    record = {**meta["training"], "exported_from": meta.get("sha256"), "slim": args.slim}
    pretrained.write(
        out,
        config,
        layout,
        arrays,
        name=out.name,
        defaults=_defaults(args, meta["defaults"]),
        training=record,
        card=_card(source),
        shard_bytes=args.shard_mb and args.shard_mb * 10**6,
    )
    files = pretrained.weight_files(out, pretrained.read_meta(out))
    size = sum(file.stat().st_size for file in files)
    if args.json:
        print(json.dumps({"folder": str(out), "bytes": size, "slim": args.slim}))
    else:
        console.Console(args.quiet).note(f"{len(flat)} arrays before, {len(layout)} after")
        print(f"{out}: {size / 1e6:.1f} MB of weights in {len(files)} file(s)")
    return 0


def _defaults(args, known) -> dict[str, Any]:
    """Returns how the new folder runs unless asked otherwise: as the old one, or as asked here."""
    chosen = {"iters": args.iters, "scales": args.scales}
    return {**known, **{name: value for name, value in chosen.items() if value is not None}}


def _slim_config(name, config) -> Any:
    from daflow_jax.models.dit4sr import slim

    restorer = config.backbone if config.family == "daflow" else config
    if restorer.family != "restorer" or restorer.dit.form != "full":
        rule = "is slim already" if restorer.family == "restorer" else "has no restoration backbone"
        raise errors.UserError(f"--model {name}", rule, "Leave --slim out")
    restorer = dataclasses.replace(restorer, dit=slim.first_step(restorer.dit))
    return dataclasses.replace(config, backbone=restorer) if config.family == "daflow" else restorer


def _slim_arrays(full, config, flat) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the arrays of the slim model; only its backbone differs from the full one."""
    from daflow_jax import pretrained
    from daflow_jax.models.dit4sr import slim

    prefix = "params/backbone/" if full.family == "daflow" else "params/"
    restorer = full.backbone if full.family == "daflow" else full
    names = pretrained.shapes(config)
    inner = {k.removeprefix(prefix): x for k, x in flat.items() if k.startswith(prefix)}
    wanted = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    reduced = slim.arrays(restorer.dit, inner, wanted)
    for name in names:
        yield name, next(reduced)[1] if name.startswith(prefix) else flat[name]


def _card(source: Path) -> str | None:
    """Returns the card of the model that this one is made from: its terms hold on."""
    from daflow_jax import pretrained

    file = source / pretrained.CARD
    if not file.is_file():
        return None
    return file.read_text(encoding="utf-8").rstrip("\n") + "\n\nExported by `daflow export`.\n"


def _layout(config, flat, dtype):
    """Returns name -> dtype, shape; a dtype asked for is that of parameters, not of statistics."""
    from daflow_jax import pretrained

    return {
        name: (
            pretrained.DTYPES[dtype] if dtype and name.startswith("params/") else flat[name].dtype,
            shape,
        )
        for name, shape in pretrained.shapes(config).items()
    }
