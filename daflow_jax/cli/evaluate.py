"""`daflow eval`: its options, and which kind of evaluation they ask for."""

import argparse
import sys
from pathlib import Path

from daflow_jax import errors
from daflow_jax.cli import call_options, options, sources


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "eval",
        help="errors of models, baselines or stored flow, clean and degraded",
        description=(
            "PAIRS is a folder DATASET/NAME/{frame1.png,frame2.png,flow.flo,meta.json}. Averages "
            "are means of pairs per data set, then over data sets; intervals are a 95 % bootstrap "
            "over clips. With clean and degraded frames R is the distance between both estimates "
            "(RobustSpring). --submission writes the files that a benchmark's server takes. With a "
            "model that restores, PAIRS are clean clips, and PSNR and SSIM are measured."
        ),
        **options.examples(
            "daflow eval pairs --baseline zero,dis,farneback --degrade combined:3,h264:4",
            "daflow eval MPI-Sintel --layout sintel:final --predictions daflow_out --limit 10",
            "daflow eval MPI-Sintel --submission sintel --model raft --iters 32 --init warm",
            "daflow eval pairs --baseline dis --degrade combined:1,combined:3 --report report.html",
            "daflow eval clips/ --model my_restorer --degrade combined:3 --steps 4",
            "daflow eval DAVIS --model my_restorer --protocol davis --flicker dis",
        ),
    )
    parser.add_argument("pairs", nargs="+", metavar="PAIRS", help="folders of pairs, or clips")
    sources.add_reading(parser, video=False)
    options.add_common(parser, "daflow_eval")
    options.add_model(parser, many=True)
    call_options.add(parser.add_argument_group("models that restore"), "restoration")
    options.add_layout(parser)
    parser.add_argument(
        "--layout",
        default="pairs",
        metavar="NAME[:SPLIT]",
        help="of PAIRS: pairs, or a data set as its owner packs it: sintel, kitti, ...",
    )
    parser.add_argument("--baseline", default="", metavar="LIST", help="of zero,dis,farneback")
    parser.add_argument("--predictions", metavar="DIR", help="stored flow: DATASET/NAME.flo")
    parser.add_argument(
        "--degrade",
        default="",
        metavar="NAME:SEVERITY,...",
        help="evaluate degraded frames as well",
    )
    parser.add_argument("--no-clean", action="store_true", help="degraded frames only")
    parser.add_argument(
        "--exclude", default="", metavar="NAME,...", help="data sets that averages leave out"
    )
    parser.add_argument(
        "--protocol",
        default="",
        metavar="NAME",
        help="of models that restore: a benchmark's own degradation and scores (davis, reds4, ...)",
    )
    parser.add_argument(
        "--flicker", choices=("dis", "farneback"), help="with --protocol: measure OPW by this flow"
    )
    parser.add_argument("--limit", type=options.at_least(1), metavar="N", help="first N pairs only")
    text = "every N-th pair only (1); FlowSeek takes every 100th of TartanAir"
    parser.add_argument("--every", type=options.at_least(1), metavar="N", help=text)
    parser.add_argument("--worst", type=options.at_least(0), default=3, help="pictures (3)")
    parser.add_argument(
        "--report",
        metavar="FILE.html",
        help="write one page to look at as well; its pictures show --worst pairs",
    )
    parser.add_argument(
        "--submission",
        choices=("kitti", "sintel"),
        help="write flow of the test frames as that benchmark takes it; no errors are known",
    )
    parser.add_argument(
        "--init", choices=("zero", "warm"), default="zero", help="start of each pair (zero)"
    )
    parser.add_argument(
        "--max-epe", type=options.number(0), metavar="PX", help="exit 4 if the first is worse"
    )
    parser.add_argument(
        "--min-epe-drop",
        type=options.number(-1e6, 1),
        metavar="SHARE",
        help="exit 4 unless the first method's EPE is this share below the second's",
    )


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing results."""
    from daflow_jax.cli import evaluate_flow, evaluate_restoration, submission

    _check_report(args)
    if args.submission:
        _on_this_machine(args)
        return submission.run(args)
    if args.init == "warm":
        rule = "pairs do not follow each other"
        raise errors.UserError("--init warm", rule, "Use it with --submission sintel")
    kinds = {_kind(name) for name in args.model or []}
    if len(kinds) > 1:
        rule = f"names models of several kinds: {' and '.join(sorted(kinds))}"
        raise errors.UserError("--model", rule, "Evaluate them one after the other")
    if kinds == {"restoration"}:
        _on_this_machine(args)
        return evaluate_restoration.run(args)
    refuse(args, ("protocol", "flicker"), "is of models that restore", "Name one with --model")
    return evaluate_flow.run(args)


def _check_report(args: argparse.Namespace) -> None:
    """Raises UserError where --report cannot be a page of this run, before anything is measured."""
    if args.report is None:
        return
    file = Path(args.report)
    if args.submission:
        rule = "shows errors, and --submission knows none"
        raise errors.UserError("--report", rule, "Leave one of them out")
    if file.suffix.lower() not in (".html", ".htm") or file.is_dir():
        raise errors.UserError(f"--report {file}", "is not an HTML file", "Name it FILE.html")


def _on_this_machine(args: argparse.Namespace) -> None:
    """Raises UserError for clips in a bucket, where pairs with true flow alone are read from it."""
    from daflow_jax.io import storage

    for given in args.pairs:
        storage.local(given, "data sets with true flow alone are read there")


def _kind(name: str) -> str:
    """Returns the kind of a model, read from its config.json alone."""
    from daflow_jax import models, pretrained

    family = pretrained.read_meta(pretrained.resolve(name))["arch"].get("family")
    entry = models.ENTRIES.get(family)
    return entry.kind if entry else "unknown"  # loading it says what is wrong


def refuse(args: argparse.Namespace, names: tuple[str, ...], rule: str, remedy: str) -> None:
    """Raises UserError for the first of these options that the command line gives."""
    for name in names:
        value = getattr(args, name)
        if value or (isinstance(value, int | float) and value is not False):  # 0 was given as well
            raise errors.UserError("--" + name.replace("_", "-"), rule, remedy)


def report_failure(name: str, error: errors.UserError) -> None:
    """Writes what is wrong with an item that is left out."""
    del name
    print(f"daflow: error: {error}", file=sys.stderr)


def command() -> str:
    """Returns the command line as a record keeps it."""
    return " ".join(["daflow", *sys.argv[1:]])


def split(text: str) -> list[str]:
    """Returns the words of a comma-separated list."""
    return [word.strip() for word in text.split(",") if word.strip()]


def parse_degradations(args: argparse.Namespace) -> list:
    """Returns what --degrade and --no-clean ask for, clean frames first."""
    from daflow_jax.evaluate import degradations

    found = [] if args.no_clean else [degradations.CLEAN]
    for word in split(args.degrade):
        try:
            found.append(degradations.parse(word))
        except errors.UserError as error:
            raise errors.UserError(f"--degrade {word}", error.rule, error.remedy) from None
    if not found:
        raise errors.UserError("--no-clean", "leaves nothing to evaluate", "Add --degrade h264:3")
    return found
