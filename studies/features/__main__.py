"""Commands of the experiments with features.

    python -m studies.features train OUT --raft models/raft-small --arms raft-star,windows \
        --seeds 0 --seconds 10800
    python -m studies.features eval OUT PAIRS...
    python -m studies.features report OUT --docs docs/features.md

`train` lets the arms of a seed learn in turns in one process, from the same weights, on the same
clips, for the same processor time each. The same command goes on where it was stopped.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from daflow_jax import errors
from studies import page
from studies.features import arms as known
from studies.features import commands


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code


def _parser() -> argparse.ArgumentParser:
    text = "; ".join(f"{name}: {arm.text}" for name, arm in known.ARMS.items())
    parser = argparse.ArgumentParser(prog="studies.features", description=__doc__, epilog=text)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    verbs = parser.add_subparsers(required=True)
    train = verbs.add_parser("train", help="train the arms in turns; resumable")
    train.set_defaults(run=commands.train)
    train.add_argument("out", type=Path)
    train.add_argument("--raft", required=True, help="model that all start from: raft-small, DIR")
    train.add_argument("--trunk", default="", help="model folder of the trunk that lends features")
    train.add_argument("--arms", type=_arms, default=("raft-star", "windows"), metavar="LIST")
    train.add_argument("--seeds", type=_integers, default=(0,), metavar="LIST")
    train.add_argument("--seconds", type=float, default=0, help="processor time of every arm")
    train.add_argument("--steps", type=int, default=5000, help="of every arm, without --seconds")
    train.add_argument("--batch", type=int, default=1, help="clips of three frames (1)")
    train.add_argument("--size", type=_size, default=(192, 256), metavar="HxW")
    train.add_argument("--iters", type=int, default=8)
    train.add_argument("--slice", type=float, default=120, help="seconds a turn (120)")
    train.add_argument("--clean-share", type=float, default=0.15)
    train.add_argument("--max-motion", type=float, default=0.25, help="of the longer side")
    evaluate = verbs.add_parser("eval", help="errors of all finished arms; resumable")
    evaluate.set_defaults(run=commands.evaluate)
    evaluate.add_argument("out", type=Path)
    evaluate.add_argument("pairs", nargs="*", metavar="PAIRS", help="folders of real pairs")
    evaluate.add_argument("--generated", type=int, default=64, help="held-out clips (64)")
    evaluate.add_argument("--size", type=_size, default=(192, 256), metavar="HxW")
    evaluate.add_argument("--severities", type=_integers, default=(0, 3, 5), metavar="LIST")
    report = verbs.add_parser("report", help="the table of an evaluation")
    report.set_defaults(run=commands.report)
    report.add_argument("out", type=Path)
    report.add_argument("--docs", type=page.path, help="a page whose tables are written anew")
    report.add_argument("--exclude", default="replica360,tiny", help="data sets not in averages")
    return parser


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _arms(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in known.ARMS:
            remedy: Any = errors.nearest(name, known.ARMS)
            raise argparse.ArgumentTypeError(f"{name!r} is not an arm. {remedy}")
    return names


def _size(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


if __name__ == "__main__":
    sys.exit(main())
