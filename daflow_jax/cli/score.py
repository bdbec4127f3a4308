"""`daflow score`: motion scores of videos and folders of frames, to filter data."""

import argparse
import itertools
import json
import sys
from typing import Any

from daflow_jax import DEFAULT_MODEL, errors
from daflow_jax.cli import call_options, console, options

_OUT = "daflow_scores.jsonl"
_COLUMNS = {  # of the table: name of a field, width
    "frames": 7,
    "per": 7,
    "pixels_p50": 11,
    "sides_mean": 11,
    "sides_p95": 11,
    "static_share": 13,
    "camera_share": 13,
    "cuts": 5,
    "blockiness": 11,
    "noise": 7,
    "blur": 6,
}


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "score",
        conflict_handler="resolve",  # --out is a file, --json prints lines
        help="motion scores of videos and folders of frames, to filter data",
        description=(
            "Writes one JSON object a line and a video: speeds in pixels and in shares of the "
            "longer side per second, camera against object motion, cuts, blockiness, noise and "
            "blur. The flow of a few pairs of neighbouring frames stands for a video. The same "
            "command goes on where it was interrupted. docs/score.md explains every number."
        ),
        **options.examples(
            "daflow score videos/",
            "daflow score videos/ --recursive --baseline dis --pairs 50 --out fast.jsonl",
            "daflow score clip/ --fps 24",
        ),
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="videos, folders, quoted globs")
    options.add_common(parser, _OUT)
    text = f"lines are added to this file ({_OUT})"
    parser.add_argument("--out", metavar="FILE", default=_OUT, help=text)
    text = "the lines on stdout in place of a table"
    parser.add_argument("--json", action="store_true", help=text)
    keep = "score everything again, into a new file"
    parser.add_argument("--overwrite", action="store_true", help=keep)
    text = "also folders inside folders"
    parser.add_argument("--recursive", action="store_true", help=text)
    _add_sampling(parser.add_argument_group("sampling"))
    options.add_model(parser)
    text = "instead of a model: dis, farneback"
    parser.add_argument("--baseline", metavar="NAME", help=text)


def _add_sampling(group) -> None:
    group.add_argument(
        "--pairs", type=options.at_least(1), metavar="N", help="of frames, spread over a video (5)"
    )
    group.add_argument(
        "--max-size",
        type=options.at_least(16),
        default=320,
        metavar="PX",
        help="shrink larger frames to this longer side (320)",
    )
    group.add_argument("--fps", type=_rate, metavar="N", help="of frames in folders (unknown)")


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of frames a second")
    return value


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after scoring what the file has no line of yet."""
    from daflow_jax.evaluate import motion
    from daflow_jax.evaluate.motion import lines

    args.pairs = args.pairs or motion.PAIRS
    sources, failures = _sources(args)
    options.start(args)
    log = console.Console(args.quiet)
    method = _method(args, log)
    file = lines.Lines(args.out, _settings(args, method), args.overwrite)
    kept = {name: file.scored[name] for name in sources if name in file.scored}
    if kept:
        log.note(f"{args.out}: {len(kept)} of {len(sources)} are scored already")
    with console.Progress(log, "score", "videos", len(sources) - len(kept)) as progress:
        for name in [name for name in sources if name not in kept]:
            try:
                file.add(name, _score(sources[name], method, args).record())
            except errors.UserError as error:
                if error.code == 3:
                    raise
                failures.append(_reported(error))
            progress.step()
    return _close(args, [file.scored[name] for name in sources if name in file.scored], failures)


def _reported(error: errors.UserError) -> errors.UserError:
    print(f"daflow: error: {error}", file=sys.stderr)
    return error


def _close(args, scored: list[dict[str, Any]], failures: list[errors.UserError]) -> int:
    """Returns the exit code after printing the scores: a lone input's own code."""
    for line in map(json.dumps, scored) if args.json else _table(scored):
        print(line)
    if not args.json:
        print(f"{args.out}: {len(scored)} lines, {len(failures)} failures")
    if len(failures) == 1 and not scored:
        return failures[0].code
    return 5 if failures else 0


def _table(scored: list[dict[str, Any]]) -> list[str]:
    longest = max((len(errors.one_line(record["video"])) for record in scored), default=0)
    heads = "".join(f"{name:>{width + 1}}" for name, width in _COLUMNS.items())
    rows = [
        f"{errors.one_line(record['video']):{longest}}"
        + "".join(f"{_cell(record[name]):>{width + 1}}" for name, width in _COLUMNS.items())
        for record in scored
    ]
    return [f"{'video':{longest}}{heads}", *rows] if scored else []


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return str(len(value))
    return f"{value:.3g}" if isinstance(value, float) else str("" if value is None else value)


def _sources(args) -> tuple[dict[str, Any], list[errors.UserError]]:
    """Returns the sequences by a name that lasts, and what cannot be read at all."""
    from daflow_jax.datasets import sequences

    found: list[Any] = []
    failures: list[errors.UserError] = []
    for text in args.inputs:
        if text == "-":
            raise errors.UserError("-", "is not scored", "Name a video or a folder of frames")
        try:
            found += sequences.resolve([text], recursive=args.recursive)
        except errors.UserError as error:
            if len(args.inputs) == 1:
                raise
            failures.append(_reported(error))
    sources: dict[str, Any] = {}
    for sequence in found:
        name = str(sequence.paths[0])
        if sequence.kind == "images" and not sequence.is_animation:
            name = str(sequence.paths[0].parent)
        sources.setdefault(name, sequence)
    return sources, failures


def _method(args, log):
    from daflow_jax.evaluate import methods

    if args.baseline:
        return methods.of_baseline(args.baseline)
    model = options.load(args, args.model or DEFAULT_MODEL, log.note)
    return methods.of_model(model, **call_options.chosen(args, "flow"))


def _settings(args, method) -> dict[str, Any]:
    """Returns what the scores depend on besides the video."""
    return {
        "method": {key: value for key, value in method.record.items() if value is not None},
        "pairs": args.pairs,
        "max_size": args.max_size,
        "fps": args.fps,
    }


def _score(sequence, method, args) -> Any:
    """Returns the MotionScore of one sequence."""
    from daflow_jax.evaluate import motion
    from daflow_jax.io import video

    if sequence.problem is not None:
        raise sequence.problem
    settings = dict(method=method, pairs=args.pairs, max_size=args.max_size)
    if sequence.kind == "video":
        frames, stamps = video.split(video.prefetched(video.timed(sequence.paths[0])))
        return motion.score(frames, (stamp.time for stamp in stamps), **settings)
    rate = args.fps or sequence.fps
    if rate is None:
        return motion.score(sequence.frames(), **settings)
    times = (number / rate for number in itertools.count())
    return motion.score(sequence.frames(), times, **settings)
