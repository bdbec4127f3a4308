"""daflow convert flow: one flow file format to another, a file or a whole folder."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from daflow_jax import errors
from daflow_jax.cli import options
from daflow_jax.io import flow as flow_files
from daflow_jax.io import image, natural, protected


def add_parser(subparsers) -> None:
    """Adds the verb and its options."""
    known = " ".join(flow_files.EXTENSIONS)
    parser = subparsers.add_parser(
        "flow",
        help="one flow file format to another",
        description=f"Formats by extension: {known} (.png is KITTI's 16-bit form).",
        **options.examples(
            "daflow convert flow a.flo a.png",
            "daflow convert flow predictions/ kitti/ --to png",
            "daflow convert flow truth.flo5 truth.flo --every-second",
        ),
    )
    parser.add_argument("source", metavar="A", help="flow file, or folder of flow files")
    parser.add_argument("target", metavar="B", help="file to write, or folder with --to")
    parser.add_argument("--to", metavar="EXT", help="format of a folder's results, e.g. png")
    parser.add_argument(
        "--scale", type=options.number(), default=1.0, metavar="S", help="multiply the flow (1)"
    )
    parser.add_argument(
        "--valid-from",
        default="NaN",
        metavar="NaN|zero|MASK",
        help="invalid pixels: not finite, also exactly (0, 0), or 0 in a mask picture (NaN)",
    )
    parser.add_argument(
        "--every-second", action="store_true", help="of .flo5: every second value (Spring's truth)"
    )
    parser.add_argument("--json", action="store_true", help="result as one JSON object on stdout")
    parser.add_argument("--quiet", action="store_true", help="errors only on stderr")
    parser.add_argument("--debug", action="store_true", help="traceback on errors")
    options.add_keep(parser)


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing every file: 5 if some of a folder failed."""
    plan = _plan(Path(args.source), Path(args.target), args.to)
    done, failures = [], []
    masks = [] if args.valid_from.lower() in ("nan", "zero") else [Path(args.valid_from)]
    inputs = protected.known([*(source for source, _ in plan), *masks])
    for _, target in plan:
        protected.refuse(target, inputs)
    for source, target in plan:
        if target.exists() and args.skip_existing:
            continue
        try:
            done.append(_convert(source, target, args))
        except errors.UserError as error:
            if len(plan) == 1 or error.code == 3:
                raise
            print(f"daflow: error: {error}", file=sys.stderr)
            failures.append({"input": str(source), "error": str(error)})
    _tell(done, failures, args)
    if failures:
        return 5 if done else 2
    return 0


def _plan(source: Path, target: Path, extension: str | None) -> list[tuple[Path, Path]]:
    if not source.is_dir():
        return [(source, target)]
    if extension is None:
        raise errors.UserError(source, "is a folder; its results need a format", "Add --to flo")
    extension = "." + extension.lower().lstrip(".")
    if extension not in flow_files.EXTENSIONS:
        remedy = errors.nearest(extension, flow_files.EXTENSIONS)
        raise errors.UserError(f"--to {extension}", "is not a flow format", remedy)
    found = [path for path in source.rglob("*") if path.suffix.lower() in flow_files.EXTENSIONS]
    if not found:
        known = " ".join(flow_files.EXTENSIONS)
        raise errors.UserError(source, "holds no flow file", f"Known extensions: {known}")
    inside = [path.relative_to(source) for path in sorted(found, key=natural.key)]
    targets = [target / path.with_suffix(extension) for path in inside]
    twice = next((path for path in targets if targets.count(path) > 1), None)
    if twice is not None:
        raise errors.UserError(twice, "two files would be written here", "Rename one of them")
    return list(zip((source / path for path in inside), targets, strict=True))


def _convert(source: Path, target: Path, args: argparse.Namespace) -> dict:
    if target.exists() and not args.overwrite:
        raise errors.UserError(target, "exists", "Pass --overwrite or --skip-existing")
    flow, valid = flow_files.read_flow(source, args.every_second)
    valid = valid & _known(flow, args.valid_from)
    lost = flow_files.write_flow(target, flow * np.float32(args.scale), valid)
    return {
        "input": str(source),
        "output": str(target),
        "size": [flow.shape[1], flow.shape[0]],
        "valid": int(valid.sum()) - lost,
        "clipped": lost,
    }


def _known(flow: np.ndarray, rule: str) -> np.ndarray:
    if rule.lower() == "nan":
        return np.ones(flow.shape[:2], bool)
    if rule.lower() == "zero":
        return (flow != 0).any(-1)
    mask = image.read_mask(rule)
    if mask.shape != flow.shape[:2]:
        got = f"{mask.shape[1]}x{mask.shape[0]} but the flow is {flow.shape[1]}x{flow.shape[0]}"
        raise errors.UserError(rule, got, "Give a mask of the flow's size")
    return mask


def _tell(done: list[dict], failures: list[dict], args: argparse.Namespace) -> None:
    clipped = sum(record["clipped"] for record in done)
    if clipped and not args.quiet:
        print(f"{clipped} pixels beyond +-512 px became invalid in .png", file=sys.stderr)
    if args.json:
        print(json.dumps({"converted": done, "failures": failures}))
    else:
        for record in done:
            print(record["output"])
