"""Where `daflow interpolate` makes frames: --factor, --fps, --slow or --times."""

import argparse
import re
from fractions import Fraction
from typing import Any

from daflow_jax import errors
from daflow_jax.cli import options

MOST = 64  # [choice] new frames and one between neighbours
_FPS = (Fraction(1, 1000), Fraction(1000))
_NEAR = Fraction(1, 200)  # [choice] of a rate: 29.97 to 60 is meant to be twice as many


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the four options, of which one may be given."""
    group = parser.add_argument_group("new frames").add_mutually_exclusive_group()
    count = options.at_least(2, MOST)
    text = "so many times the frames, at the same speed (2)"
    group.add_argument("--factor", type=count, metavar="2|3|4|8", help=text)
    text = "at this constant rate, at the same speed: 60, 59.94 or 60000/1001"
    group.add_argument("--fps", type=_rate, metavar="N", help=text)
    text = "so many times the frames at the rate of the input: slow motion, without sound"
    group.add_argument("--slow", type=count, metavar="N", help=text)
    text = "at these shares of each interval, at the same speed: 0.25,0.5"
    group.add_argument("--times", type=_shares, metavar="A,B", help=text)


def record(args: argparse.Namespace) -> dict[str, Any]:
    """Returns what was chosen, for the record of a run; a text where it is no whole number."""
    chosen = {name: getattr(args, name) for name in ("factor", "fps", "slow", "times")}
    if not any(chosen.values()):
        chosen["factor"] = 2
    fps, times = chosen["fps"], chosen["times"]
    chosen["fps"] = None if fps is None else str(fps)
    chosen["times"] = None if times is None else [float(share) for share in times]
    return chosen


def schedule(args: argparse.Namespace, sequence: Any, model: Any) -> Any:
    """Returns the schedule of a sequence.

    Raises UserError for times that the network does not reach, and a rate for frames without one.
    """
    from daflow_jax.predict.interpolation import schedule as schedules

    if args.fps is not None:
        return _at_rate(args.fps, sequence, model)
    if args.times is not None:
        shown = ",".join(f"{float(share):g}" for share in args.times)
        rule, shares, what = schedules.At(args.times), args.times, f"--times {shown}"
    else:
        factor = args.factor or args.slow or 2
        rule, shares = schedules.Even(factor), [Fraction(k, factor) for k in range(1, factor)]
        what = f"--slow {factor}" if args.slow else f"--factor {factor}"
    schedules.check_reach(shares, model.config.any_time, model.name, what)
    return rule


def fps(args: argparse.Namespace, sequence: Any) -> float | int | Fraction:
    """Returns the mean frames per second of the result."""
    from daflow_jax.datasets.sequence import USUAL_FPS

    own = sequence.fps or USUAL_FPS
    if args.fps is not None:
        return args.fps
    if args.slow:
        return own
    return own * (len(args.times) + 1 if args.times else args.factor or 2)


def count(args: argparse.Namespace, sequence: Any) -> int | None:
    """Returns about how many frames there will be, None where nobody knows."""
    if not sequence.length:
        return None
    factor = args.factor or args.slow or (len(args.times) + 1 if args.times else 2)
    if args.fps is not None:
        factor = args.fps / Fraction(sequence.fps or args.fps)
    return int((sequence.length - 1) * factor) + 1


def _at_rate(rate: Fraction, sequence: Any, model: Any) -> Any:
    """Returns the schedule of a constant rate; a network of middles follows the input's frames."""
    from daflow_jax.predict.interpolation import schedule as schedules

    if sequence.fps is None:
        rule = f"{sequence.name} is pictures, which have no rate of their own"
        raise errors.UserError(f"--fps {float(rate):g}", rule, "Use --factor or --times")
    if model.config.any_time:
        return schedules.Rate(rate)
    times = rate / Fraction(sequence.fps)
    for depth in range(1, schedules.DEEPEST + 1):
        if abs(times - 2**depth) <= _NEAR * 2**depth:
            return schedules.Even(2**depth)
    rule = (
        f"{float(times):.3g} times the {float(sequence.fps):g} of {sequence.name}; {model.name} "
        "finds the frame in the middle, and so 2, 4 or 8 times as many"
    )
    remedy = "Use --factor 2, or a model of any time such as RIFE 4.0"
    raise errors.UserError(f"--fps {float(rate):g}", rule, remedy)


def _rate(text: str) -> Fraction:
    value = _fraction(text, r"\d{1,6}(\.\d{1,6})?|\d{1,6}/\d{1,6}")
    if value is None or not _FPS[0] <= value <= _FPS[1]:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a rate up to 1000: 60, 60000/1001")
    return value


def _shares(text: str) -> tuple[Fraction, ...]:
    parts = [_fraction(part, r"0?\.\d{1,9}|\d{1,4}/\d{1,4}") for part in text.split(",")]
    found = tuple(part for part in parts if part is not None and 0 < part < 1)
    if len(found) < len(parts) or len(found) >= MOST:
        rule = f"is not up to {MOST - 1} numbers between 0 and 1: 0.25,0.5"
        raise argparse.ArgumentTypeError(f"{text[:40]!r} {rule}")
    if list(found) != sorted(set(found)):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} does not ascend: 0.25,0.5")
    return found


def _fraction(text: str, pattern: str) -> Fraction | None:
    if not re.fullmatch(pattern, text) or text.endswith("/0") or re.fullmatch(r".*/0+", text):
        return None
    return Fraction(text)
