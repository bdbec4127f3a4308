"""`daflow convert weights`: a published checkpoint to a model folder."""

import argparse
import ast
import json
from pathlib import Path
from typing import Any

from daflow_jax import errors
from daflow_jax.cli import console, options

_DESCRIPTION = """\
Reads .safetensors (one file, or a folder of shards with its index) and .pth files, without PyTorch
and without running anything in them. Every tensor must be used or be known as one that nothing
reads; every array of the network must be filled. The weights keep the terms of their authors; the
folder's card names them.

Restorers (dit4sr, sd3.5-medium) need --vae and --prompt besides: SD3's autoencoder, and the two
files with the encoding of the empty prompt that replace the text encoders.
"""


def add_parser(kinds: argparse._SubParsersAction) -> None:
    """Adds the kind and its options."""
    from daflow_jax.pretrained import published

    parser = kinds.add_parser(
        "weights",
        help="a published checkpoint to a model folder",
        description=_DESCRIPTION,
        **options.examples(
            "daflow convert weights raft-things.pth my_raft",
            "daflow convert weights sea-raft-m.safetensors sea_l --arch sea-raft --set iters=12",
            "daflow convert weights dit4sr_q/transformer dit4sr --arch dit4sr --vae sd3/vae"
            " --prompt null_text.pt null_pooled.pt --dtype bfloat16",
        ),
    )
    parser.add_argument("file", metavar="FILE", help="checkpoint, index of shards, or their folder")
    parser.add_argument("folder", metavar="DIR", help="model folder to write")
    known = ", ".join(published.architectures())
    parser.add_argument("--arch", default="", help=f"{known} (recognised by its names)")
    for companion in companions():
        parser.add_argument(
            f"--{companion.name}", nargs="+", metavar="FILE", default=(), help=companion.help
        )
    parser.add_argument("--dtype", choices=options.WEIGHT_DTYPES, default="float32")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a field of the configuration, such as dit.control_scale=1.2 or "
        "dit.lq_key=own (found by the weights if not set); repeat it",
    )
    parser.add_argument("--name", help="of the model (the folder's)")
    parser.add_argument("--report", action="store_true", help="print where every tensor went")
    parser.add_argument("--json", action="store_true", help="result as one JSON object on stdout")
    parser.add_argument("--quiet", action="store_true", help="errors only")
    parser.add_argument("--overwrite", action="store_true", help="replace a folder that exists")
    parser.add_argument("--debug", action="store_true", help="traceback on errors")


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing the folder."""
    from daflow_jax import pretrained
    from daflow_jax.io import protected
    from daflow_jax.pretrained import published

    out = Path(args.folder)
    if (out / pretrained.CONFIG).exists() and not args.overwrite:
        raise errors.UserError(out, "holds a model", "Pass --overwrite or another folder")
    inputs = [args.file, *(file for c in companions() for file in getattr(args, c.name))]
    if any(protected.identity(file) == protected.identity(out) for file in inputs if out.exists()):
        raise errors.UserError(out, "is an input; it would be overwritten", "Choose another folder")
    talk = console.Console(args.quiet)
    job = published.prepare(
        published.Request(
            args.file,
            args.arch,
            {c.name: tuple(files) for c in companions() if (files := getattr(args, c.name))},
            dict(_override(text) for text in args.set),
            args.dtype,
        )
    )
    talk.note(f"{job.arch}: {job.coverage()}")
    with protected.protecting(_files(inputs)):
        published.convert(job, out, name=args.name)
    report = job.report()
    if args.json:
        print(json.dumps(report))
        return 0
    for line in _lines(report) if args.report else ():
        print(line)
    print(f"{out}: {len(report['parameters'])} arrays from {report['tensors']} tensors")
    return 0


def companions() -> list[Any]:
    """Returns the further files that some architectures need, each once."""
    from daflow_jax.pretrained import published

    known = {c.name: c for arch in published.architectures().values() for c in arch.companions}
    return list(known.values())


def _files(inputs):
    """Yields files, those in folders as well."""
    for path in map(Path, inputs):
        yield from path.iterdir() if path.is_dir() else [path]


def _override(text):
    field, mark, value = text.partition("=")
    if not mark:
        raise errors.UserError(f"--set {text}", "has no value", "Write FIELD=VALUE")
    try:
        return field, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return field, value


def _lines(report):
    for name, path in report["used"].items():
        yield f"{name} -> {path} {'x'.join(map(str, report['parameters'][path]))}"
    for name, why in report["ignored"].items():
        yield f"{name}: left out, {why}"
    for path, how in report["initial"].items():
        yield f"{path}: {how}"
