"""`daflow eval --submission`: a model's flow of test frames as the benchmarks' servers take it."""

import argparse
import json
from pathlib import Path
from typing import Any

from daflow_jax import DEFAULT_MODEL, errors
from daflow_jax.cli import call_options, console, evaluate, options


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing OUT/submission and OUT/submission.json."""
    from daflow_jax.evaluate import submission

    _check(args)
    clips = _clips(args)
    options.start(args)
    log = console.Console(args.quiet)
    model = options.load(args, (args.model or [DEFAULT_MODEL])[0], log.note)
    with console.Progress(log, "submission", "clips", len(clips[: args.limit])) as progress:
        summary = submission.write(
            clips,
            model,
            args.out,
            warm_start=args.init == "warm",
            limit=args.limit,
            progress=lambda done, total: progress.step(),
            on_failure=evaluate.report_failure,
            **call_options.chosen(args, "flow"),
        )
    record = submission.save(args.out, summary, evaluate.command(), args.device)
    print(json.dumps(record) if args.json else _text(args, submission.NEXT, record))
    return 5 if record["failures"] else 0


def _check(args):
    names = ("baseline", "predictions", "degrade", "no_clean", "exclude", "max_epe")
    names += ("min_epe_drop", "every")
    rule = "has no meaning where no true flow is known"
    evaluate.refuse(args, names, rule, "Leave it out with --submission")
    if len(args.model or []) > 1:
        rule = f"{len(args.model)} models; a submission is of one"
        raise errors.UserError("--model", rule, "Name one, with an --out of its own")


def _clips(args):
    from daflow_jax.evaluate import submission

    layout = "auto" if args.layout == "pairs" else args.layout
    try:
        return submission.read_clips(args.pairs, args.submission, layout)
    except errors.UserError as error:
        if error.where != f"layout {layout}":
            raise
        raise errors.UserError(f"--{error.where}", error.rule, error.remedy) from None


def _text(args, following: dict[str, str], record: dict[str, Any]) -> str:
    folder = Path(args.out) / "submission"
    whole = f"of {record['published_flows']}"
    lines = [f"{folder}: {record['flows']} flows {whole}, {following[record['benchmark']]}"]
    if record["pixels_out_of_range"]:
        lines.append(f"{record['pixels_out_of_range']} pixels beyond 512 px are marked invalid")
    return "\n".join(lines)
