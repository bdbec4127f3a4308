"""`daflow export`: a fixed-size function as StableHLO or ONNX, or weights for another use."""

import argparse
import importlib
import json

from daflow_jax import errors
from daflow_jax.cli import call_options, console, options
from daflow_jax.io import storage


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "export",
        help="save a fixed-size function as StableHLO or ONNX, or weights for another use",
        description=(
            "stablehlo, onnx: a folder with the function (weights inside), its signature and an "
            "example that loads it with JAX or ONNX Runtime alone. torchvision: the weights of a "
            "RAFT as a .safetensors file with torchvision's names. folder: a model folder of "
            "another dtype, with other defaults (--iters, --scales), or with --slim one whose "
            "restoration backbone holds only what the first denoising step needs."
        ),
        **options.examples(
            "daflow export --size 192x256",
            "daflow export --size 384x512 --batch 4 --iters 8 --out served",
            "daflow export --size 192x256 --format onnx --out onnx",
            "daflow export --model my_raft --format torchvision --out weights",
            "daflow export --model my_daflow --format folder --slim --dtype bfloat16 --out small",
            "daflow export --format folder --dtype int8 --out tiny",
        ),
    )
    options.add_common(parser, "daflow_export")
    options.add_model(parser)
    from daflow_jax.pretrained import foreign

    formats = (*_FUNCTIONS, "folder", *foreign.libraries())
    parser.add_argument("--format", choices=formats, default="stablehlo")
    parser.add_argument("--overwrite", action="store_true", help="replace a folder that exists")
    _add_function(parser.add_argument_group("stablehlo and onnx"))
    _add_folder(parser.add_argument_group("folder"))


_FUNCTIONS = ("stablehlo", "onnx")


def _add_function(group):
    group.add_argument("--size", type=options.size, metavar="HxW", help="of frames")
    group.add_argument(
        "--batch", type=options.at_least(1), metavar="N", dest="pairs", help="pairs at once (1)"
    )
    group.add_argument(
        "--platforms",
        default="",
        metavar="LIST",
        help="of cpu,cuda,rocm,tpu (this machine's); stablehlo",
    )


def _add_folder(group):
    group.add_argument("--slim", action="store_true", help="keep what the results need")
    group.add_argument(
        "--dtype",
        choices=(*options.WEIGHT_DTYPES, "int8"),
        help="of the parameters (as they are); int8: of kernels, a scale for each output channel",
    )
    group.add_argument(
        "--shard-mb",
        type=options.at_least(1),
        metavar="MB",
        help="several files of weights, none larger than this (one file)",
    )


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing the folder."""
    if args.format in _FUNCTIONS:
        return _function(args)
    return _folder(args) if args.format == "folder" else _foreign(args)


def _function(args) -> int:
    from daflow_jax.export import artefact

    module = importlib.import_module(f"daflow_jax.export.{args.format}")
    out = storage.place(args.out)
    if args.size is None:
        raise errors.UserError("--size", "is missing; the function has a fixed one", "Give HxW")
    if args.slim or args.dtype:
        raise errors.UserError("--slim and --dtype", "are of --format folder", "Leave them out")
    platforms = {}
    if args.platforms and args.format == "onnx":
        rule = "is of --format stablehlo; its runtime decides where an ONNX file runs"
        raise errors.UserError("--platforms", rule, "Leave it out")
    if args.platforms:
        platforms = {"platforms": tuple(filter(None, args.platforms.split(",")))}
    _refuse_existing(out / artefact.SIGNATURE, args)
    options.start(args)
    model = options.load(args, args.model, console.Console(args.quiet).note)
    settings = {**platforms, **call_options.chosen(args, "flow")}
    made = module.export(model, args.size, batch=args.pairs or 1, **settings)
    made.write(out)
    if args.json:
        print(json.dumps(made.signature))
        return 0
    size, platforms = len(made.blob) / 1e6, made.signature.get("platforms", ["ONNX Runtime"])
    print(f"{out / module.ARTEFACT}: {size:.1f} MB for {', '.join(platforms)}")
    return 0


def _refuse_existing(path: storage.Place, args) -> None:
    if path.exists() and not args.overwrite:
        raise errors.UserError(path, "exists", "Pass --overwrite or another --out")


def _foreign(args) -> int:
    from daflow_jax.pretrained import foreign

    out = storage.place(args.out)
    if args.slim or args.dtype or args.size:
        rule = "are not of this format"
        raise errors.UserError("--slim, --dtype and --size", rule, "Leave them out")
    _refuse_existing(out / foreign.EXAMPLE, args)
    file, ignored = foreign.write(args.model, args.format, out)
    for why in dict.fromkeys(ignored.values()):
        console.Console(args.quiet).note(f"left out: {why}")
    size = storage.size(file)
    if args.json:
        record = {"file": str(file), "bytes": size, "format": args.format, "ignored": ignored}
        print(json.dumps(record))
    else:
        print(f"{file}: {size / 1e6:.1f} MB; {out / foreign.EXAMPLE} loads it")
    return 0


def _folder(args) -> int:
    from daflow_jax import pretrained
    from daflow_jax.export import folder

    out = storage.place(args.out)
    if (out / pretrained.CONFIG).exists() and not args.overwrite:
        raise errors.UserError(out, "holds a model", "Pass --overwrite or another --out")
    written = folder.write(
        args.model,
        out,
        slim=args.slim,
        dtype=args.dtype,
        shard_bytes=args.shard_mb and args.shard_mb * 10**6,
        defaults={**call_options.chosen(args, "flow"), "scales": args.scales},
    )
    files = pretrained.weight_files(out, pretrained.read_meta(out))
    size = sum(storage.size(file) for file in files)
    if args.json:
        record = {"folder": str(out), "bytes": size, "slim": args.slim}
        print(json.dumps(record | ({} if written.error is None else {"error": written.error})))
    else:
        note = console.Console(args.quiet).note
        note(f"{written.before} arrays before, {written.after} after")
        if written.error is not None:
            note(f"kernels in 8 bits: changed by {written.error:.2%} of their root mean square")
        print(f"{out}: {size / 1e6:.1f} MB of weights in {len(files)} file(s)")
    return 0
