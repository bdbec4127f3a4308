"""`daflow analyze`: which features of a restorer match, and whether flow relies on them."""

import argparse
import importlib.util
import json
from pathlib import Path

from daflow_jax import errors
from daflow_jax.cli import console, options
from daflow_jax.cli.evaluate import command, parse_degradations, split


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "analyze",
        help="which features of a restorer match, and whether flow relies on them",
        description=(
            "Every token of a frame goes to the most similar token of the next, for each block, "
            "kind of feature and denoising step, beside zero flow, raw patches of 20 x 20 pixels "
            "(searched every 4 pixels) and the same network before training. EPE in pixels; PCK is "
            "the share of errors below one token's side; over visible tokens. Centred: without the "
            "mean at each position, which holds what features say of positions alone (needs 8 "
            "samples of one size)."
        ),
        **options.examples(
            "daflow analyze pairs --model runs/lift/export/best --degrade combined:3",
            "daflow analyze --generated 24 --model my_restorer --blocks all --steps 1,10",
            "daflow analyze pairs --model my_daflow --degrade combined:3 --exchange",
        ),
    )
    parser.add_argument("pairs", nargs="*", metavar="PAIRS", help="folders of pairs, as in eval")
    options.add_common(parser, "daflow_analyze")
    _add_model(parser.add_argument_group("model"))
    parser.add_argument("--layout", default="pairs", metavar="NAME[:SPLIT]", help="of PAIRS")
    parser.add_argument("--limit", type=options.at_least(1), metavar="N", help="first N pairs only")
    parser.add_argument(
        "--exclude", default="", metavar="NAME,...", help="data sets that averages leave out"
    )
    parser.add_argument(
        "--generated",
        type=options.at_least(1),
        metavar="N",
        help="held-out clips, in place of PAIRS",
    )
    parser.add_argument(
        "--size", type=options.size, default=(192, 256), metavar="HxW", help="of them (192x256)"
    )
    parser.add_argument(
        "--degrade", default="", metavar="NAME:SEVERITY,...", help="analyze degraded frames as well"
    )
    parser.add_argument("--no-clean", action="store_true", help="degraded frames only")
    parser.add_argument("--no-plot", action="store_true", help="no heat map (matplotlib)")


def _add_model(group):
    group.add_argument(
        "--model", metavar="NAME|DIR", required=True, help="a restorer or a DA-Flow model"
    )
    options.add_device(group, precision=False)
    group.add_argument(
        "--blocks", default="taps", metavar="LIST", help="taps, all, or numbers: 1,3 (taps)"
    )
    group.add_argument(
        "--steps", default="1", metavar="LIST", help="read the last step of runs so long (1)"
    )
    group.add_argument(
        "--exchange",
        action="store_true",
        help="also the EPE of DA-Flow whose backbone sees another pair",
    )


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing results, table and heat map."""
    import jax

    from daflow_jax import api
    from daflow_jax.evaluate import records
    from daflow_jax.evaluate.probing import report, study

    if bool(args.pairs) == bool(args.generated):
        raise errors.UserError("PAIRS", "or --generated, one of them", "Name folders, or a number")
    if not args.no_plot and importlib.util.find_spec("matplotlib") is None:
        rule, remedy = "needs matplotlib", "Install daflow-jax[plots] or pass --no-plot"
        raise errors.UserError("the heat map", rule, remedy, 3)
    degradations = parse_degradations(args)
    options.start(args)
    subject = _subject(args)
    makers, exclude = _samples(args, subject.window)
    log = console.Console(args.quiet)
    found, device = [], jax.default_device(api.find_device(args.device))
    with device, console.Progress(log, "analyze", "degradations", len(degradations)) as bar:
        for each in degradations:
            chosen = dict(seed=args.seed, exclude=exclude, exchange=args.exchange)
            found.append(study.run(subject, makers, each, **chosen))
            bar.step()
    meta = subject.loaded.meta
    record = {
        **records.head(command()),
        "model": {"name": meta.get("name"), "sha256": meta.get("sha256")},
        "data": {"name": ", ".join(args.pairs) or "generated", "samples": len(makers)},
        "seed": args.seed,
        "degradation": found,
        "environment": records.environment(args.device),
    }
    table, out = report.table(found), Path(args.out)
    records.write(out, record, table)
    if not args.no_plot:
        report.heat_map(out / "heat_map.png", found)
    print(json.dumps(record) if args.json else table)
    return 0


def _subject(args):
    from daflow_jax.evaluate.probing import study, subject

    blocks = args.blocks
    if blocks not in ("taps", "all"):
        blocks = _numbers("--blocks", blocks, 0)
    try:
        found = subject.of(args.model, blocks, _numbers("--steps", args.steps, 1))
        if args.exchange:
            study.check_exchange(found)
    except errors.UserError as error:
        if error.where not in ("blocks", "steps", "exchange"):
            raise
        raise errors.UserError(f"--{error.where}", error.rule, error.remedy) from None
    return found


def _numbers(where, text, least) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) >= least for part in parts):
        raise errors.UserError(where, f"{text!r} is not a list of numbers", f"Write {least},3")
    return tuple(map(int, parts))


def _samples(args, window):
    """Returns what makes the samples, and the data sets that averages leave out."""
    from daflow_jax import evaluate
    from daflow_jax.evaluate import pairs
    from daflow_jax.evaluate.probing import samples

    if args.generated:
        return samples.synthetic(args.generated, args.size, args.seed, window), ()
    found = evaluate.read_pairs(args.pairs, args.layout, args.limit)
    return samples.of_pairs(found, args.seed, window), pairs.excluded(found, split(args.exclude))
