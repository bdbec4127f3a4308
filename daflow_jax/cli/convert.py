"""`daflow convert`: flow files between formats, published PyTorch weights to model folders."""

import argparse
import json
from pathlib import Path
from typing import Any

from daflow_jax import errors
from daflow_jax.cli import convert_flow, options

ARCHITECTURES = ("raft", "raft-small")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb with its two kinds."""
    parser = subparsers.add_parser(
        "convert",
        help="flow file formats; published PyTorch weights to a model folder",
        **options.examples(
            "daflow convert flow a.flo a.png",
            "daflow convert flow predictions/ kitti/ --to png",
            "daflow convert weights raft-things.pth my_raft --arch raft",
        ),
    )
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    convert_flow.add_parser(kinds)
    _add_weights(kinds)


def _add_weights(kinds):
    parser = kinds.add_parser(
        "weights",
        help="a published checkpoint to a model folder",
        description=(
            "Reads a .pth file without PyTorch and without running anything in it. The weights "
            "keep the terms of their authors: name them in the card."
        ),
        **options.examples(
            "daflow convert weights raft-things.pth my_raft --arch raft",
            "daflow convert weights raft-small.pth my_small --arch raft-small --report",
            "daflow convert weights raft-sintel.pth my_sintel --arch raft --name raft-sintel",
        ),
    )
    parser.add_argument("file", metavar="FILE", help="the checkpoint, .pth or .pt")
    parser.add_argument("folder", metavar="DIR", help="model folder to write")
    parser.add_argument("--arch", required=True, help=f"one of {', '.join(ARCHITECTURES)}")
    parser.add_argument("--name", help="of the model (the folder's)")
    parser.add_argument("--report", action="store_true", help="print where every tensor went")
    parser.add_argument("--json", action="store_true", help="result as one JSON object on stdout")
    parser.add_argument("--overwrite", action="store_true", help="replace a folder that exists")
    parser.add_argument("--debug", action="store_true", help="traceback on errors")


def run(args: argparse.Namespace) -> int:
    """Returns the exit code of the chosen kind."""
    return convert_flow.run(args) if args.kind == "flow" else _weights(args)


def _weights(args):
    from flax import traverse_util

    from daflow_jax import model_folder, models
    from daflow_jax.convert import engine, torch_file
    from daflow_jax.io import atomic
    from daflow_jax.models.raft import convert as raft_rules

    if args.arch not in ARCHITECTURES:
        known = errors.nearest(args.arch, ARCHITECTURES)
        raise errors.UserError(f"--arch {args.arch}", "cannot be converted", known)
    out = Path(args.folder)
    if (out / model_folder.CONFIG).exists() and not args.overwrite:
        raise errors.UserError(out, "holds a model", "Pass --overwrite or another folder")
    config = models.preset(args.arch)
    abstract: dict[str, Any] = traverse_util.flatten_dict(
        model_folder.abstract_variables(config), sep="/"
    )
    target = {name: tuple(leaf.shape) for name, leaf in abstract.items()}
    state = torch_file.read(args.file)
    converted = engine.convert(state, raft_rules.RULES, target, raft_rules.DEAD)
    variables = traverse_util.unflatten_dict(converted.parameters, sep="/")
    training = {"converted_from": Path(args.file).name}
    model_folder.save(out, config, variables, name=args.name or out.name, training=training)
    report = {"file": str(args.file), "arch": args.arch, "dead": converted.dead}
    report["parameters"] = {name: list(a.shape) for name, a in converted.parameters.items()}
    atomic.write_text(out / "mapping.json", json.dumps(report, indent=1) + "\n")
    if args.json:
        print(json.dumps(report))
        return 0
    for name, shape in report["parameters"].items() if args.report else ():
        print(f"{name} {'x'.join(map(str, shape))}")
    print(f"{out}: {len(converted.parameters)} arrays from {len(state)} tensors")
    return 0
