"""`daflow export`: a fixed-size function as StableHLO (JAX alone loads it), or a model folder."""

import argparse
import json
from pathlib import Path

from daflow_jax import errors
from daflow_jax.cli import call_options, console, options


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "export",
        help="save a fixed-size function as StableHLO for serving, or a smaller model folder",
        description=(
            "stablehlo: a folder with the function (weights inside), its signature and an example "
            "that loads it with JAX alone. folder: a model folder of another dtype, with other "
            "defaults (--iters, --scales), or with --slim one whose restoration backbone holds "
            "only what the first denoising step needs."
        ),
        **options.examples(
            "daflow export --size 192x256",
            "daflow export --size 384x512 --batch 4 --iters 8 --out served",
            "daflow export --model my_daflow --format folder --slim --dtype bfloat16 --out small",
        ),
    )
    options.add_common(parser, "daflow_export")
    options.add_model(parser)
    parser.add_argument("--format", choices=("stablehlo", "folder"), default="stablehlo")
    parser.add_argument("--overwrite", action="store_true", help="replace a folder that exists")
    _add_stablehlo(parser.add_argument_group("stablehlo"))
    _add_folder(parser.add_argument_group("folder"))


def _add_stablehlo(group):
    group.add_argument("--size", type=options.size, metavar="HxW", help="of frames")
    group.add_argument(
        "--batch", type=options.at_least(1), metavar="N", dest="pairs", help="pairs at once (1)"
    )
    group.add_argument(
        "--platforms", default="", metavar="LIST", help="of cpu,cuda,rocm,tpu (this machine's)"
    )


def _add_folder(group):
    group.add_argument("--slim", action="store_true", help="keep what the results need")
    group.add_argument(
        "--dtype", choices=options.WEIGHT_DTYPES, help="of the parameters (as they are)"
    )
    group.add_argument(
        "--shard-mb",
        type=options.at_least(1),
        metavar="MB",
        help="several files of weights, none larger than this (one file)",
    )


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing the folder."""
    return _folder(args) if args.format == "folder" else _stablehlo(args)


def _stablehlo(args) -> int:
    from daflow_jax.export import stablehlo

    out = Path(args.out)
    if args.size is None:
        raise errors.UserError("--size", "is missing; the function has a fixed one", "Give HxW")
    if args.slim or args.dtype:
        raise errors.UserError("--slim and --dtype", "are of --format folder", "Leave them out")
    if (out / stablehlo.SIGNATURE).exists() and not args.overwrite:
        rule, remedy = "exists", "Pass --overwrite or another --out"
        raise errors.UserError(out / stablehlo.SIGNATURE, rule, remedy)
    options.start(args)
    model = options.load(args, args.model, console.Console(args.quiet).note)
    platforms = tuple(filter(None, args.platforms.split(","))) or None
    made = stablehlo.export(
        model,
        args.size,
        batch=args.pairs or 1,
        platforms=platforms,
        **call_options.chosen(args, "flow"),
    )
    made.write(out)
    if args.json:
        print(json.dumps(made.signature))
    else:
        size, names = len(made.blob) / 1e6, ", ".join(made.signature["platforms"])
        print(f"{out / stablehlo.ARTEFACT}: {size:.1f} MB for {names}")
    return 0


def _folder(args) -> int:
    from daflow_jax import pretrained
    from daflow_jax.export import folder

    out = Path(args.out)
    if (out / pretrained.CONFIG).exists() and not args.overwrite:
        raise errors.UserError(out, "holds a model", "Pass --overwrite or another --out")
    before, after = folder.write(
        args.model,
        out,
        slim=args.slim,
        dtype=args.dtype,
        shard_bytes=args.shard_mb and args.shard_mb * 10**6,
        defaults={**call_options.chosen(args, "flow"), "scales": args.scales},
    )
    files = pretrained.weight_files(out, pretrained.read_meta(out))
    size = sum(file.stat().st_size for file in files)
    if args.json:
        print(json.dumps({"folder": str(out), "bytes": size, "slim": args.slim}))
    else:
        console.Console(args.quiet).note(f"{before} arrays before, {after} after")
        print(f"{out}: {size / 1e6:.1f} MB of weights in {len(files)} file(s)")
    return 0
