"""`daflow eval`: errors of methods on pairs with true flow, clean and degraded."""

import argparse
import json
import sys
from pathlib import Path

from daflow_jax import DEFAULT_MODEL, errors
from daflow_jax.cli import call_options, console, options


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "eval",
        help="errors of models, baselines or stored flow on pairs with true flow",
        description=(
            "PAIRS is a folder DATASET/NAME/{frame1.png,frame2.png,flow.flo,meta.json}. Averages "
            "are means of pairs per data set, then over data sets; intervals are a 95 % bootstrap "
            "over clips. With clean and degraded frames R is the distance between both estimates "
            "(RobustSpring). --submission writes the files that a benchmark's server takes."
        ),
        **options.examples(
            "daflow eval pairs --baseline zero,dis,farneback --degrade combined:3,h264:4",
            "daflow eval MPI-Sintel --layout sintel:final --predictions daflow_out --limit 10",
            "daflow eval MPI-Sintel --submission sintel --model raft --iters 32 --init warm",
        ),
    )
    parser.add_argument("pairs", nargs="+", metavar="PAIRS", help="folders of pairs")
    options.add_common(parser, "daflow_eval")
    options.add_model(parser, many=True)
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
    parser.add_argument("--limit", type=options.at_least(1), metavar="N", help="first N pairs only")
    parser.add_argument("--worst", type=options.at_least(0), default=3, help="pictures (3)")
    parser.add_argument(
        "--submission",
        choices=("kitti", "sintel"),
        help="write flow of the test frames as that benchmark takes it; no errors are known",
    )
    parser.add_argument(
        "--init", choices=("zero", "warm"), default="zero", help="start of each pair (zero)"
    )
    parser.add_argument("--max-epe", type=float, metavar="PX", help="exit 4 if the first is worse")
    parser.add_argument(
        "--min-epe-drop",
        type=float,
        metavar="SHARE",
        help="exit 4 unless the first method's EPE is this share below the second's",
    )


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing results."""
    from daflow_jax import evaluate
    from daflow_jax.evaluate import pictures

    if args.submission:
        from daflow_jax.cli import submission

        return submission.run(args)
    if args.init == "warm":
        rule = "pairs do not follow each other"
        raise errors.UserError("--init warm", rule, "Use it with --submission sintel")
    degradations = parse_degradations(args)
    pairs = evaluate.read_pairs(args.pairs, args.layout, args.limit)
    options.start(args)
    log = console.Console(args.quiet)
    methods = _methods(args, log)
    if args.min_epe_drop is not None and len(methods) < 2:
        raise errors.UserError("--min-epe-drop", "needs a second method", "Add --baseline dis")
    with console.Progress(log, "eval", "pairs", len(pairs)) as progress:
        results = evaluate.run(
            pairs,
            methods,
            degradations,
            name=", ".join(args.pairs),
            exclude=split(args.exclude),
            seed=args.seed,
            progress=lambda done, total: progress.step(),
            on_failure=lambda name, error: print(f"daflow: error: {error}", file=sys.stderr),
        )
    record = results.save(args.out, command(), args.device)
    pictures.write(Path(args.out) / "worst", results.worst(args.worst))
    print(json.dumps(record) if args.json else results.table())
    return _verdict(args, results) or (5 if results.failures else 0)


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


def _methods(args, log):
    from daflow_jax.evaluate import methods, predictions

    found = [predictions.of_folder(args.predictions)] if args.predictions else []
    names = args.model or ([] if args.predictions or args.baseline else [DEFAULT_MODEL])
    for name in names:
        model = options.load(args, name, log.note)
        found.append(methods.of_model(model, **call_options.chosen(args, "flow")))
    return found + [methods.of_baseline(name) for name in split(args.baseline)]


def _verdict(args, results) -> int:
    """Returns 4 after naming the first threshold that failed, else 0."""
    first, *others = (method.name for method in results.methods)
    for degradation in results.scores:
        epe = results.epe(first, degradation)
        if args.max_epe is not None and epe > args.max_epe:
            return _failed(f"{degradation}: EPE of {first} is {epe:.3f}, above {args.max_epe:g}")
        if args.min_epe_drop is not None:
            other = results.epe(others[0], degradation)
            if epe > (1 - args.min_epe_drop) * other:
                share = 1 - epe / other if other else 0.0
                return _failed(
                    f"{degradation}: {first} is {share:.1%} below {others[0]}, "
                    f"less than {args.min_epe_drop:.1%}"
                )
    return 0


def _failed(text):
    print(f"daflow: threshold failed: {text}.", file=sys.stderr)
    return 4
