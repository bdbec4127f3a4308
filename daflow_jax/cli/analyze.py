"""`daflow analyze`: which features of networks match, and whether flow relies on them."""

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
        help="which features of networks match, and whether flow relies on them",
        description=(
            "Every token of a frame goes to the most similar token of the next, for each network, "
            "block, kind of feature and denoising step, beside zero flow, raw patches of 20 x 20 "
            "pixels (searched every 4 pixels), averaged windows of 20 and 40 pixels, the same "
            "network before training, and with the weights of each layer shuffled. EPE in pixels; "
            "PCK is the share of errors below one token's side; moving: of tokens that move "
            "further than that; over visible tokens, with intervals over clips. Standardised: each "
            "channel of each frame has mean 0 and deviation 1. Centred: without the mean at each "
            "position, which holds what features say of positions alone (needs 8 samples of one "
            "size)."
        ),
        **options.examples(
            "daflow analyze pairs --model runs/lift/export/best --degrade combined:3",
            "daflow analyze --generated 24 --model my_restorer --blocks all --steps 1,10",
            "daflow analyze pairs --model my_daflow --degrade combined:3 --exchange",
            "daflow analyze --generated 64 --model raft-degraded --model rrdb --degrade combined:3",
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
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep features here, and read those that are there",
    )
    parser.add_argument("--no-plot", action="store_true", help="no heat map (matplotlib)")


def _add_model(group):
    group.add_argument(
        "--model",
        metavar="NAME|DIR",
        required=True,
        action="append",
        help="a network that lends features, or a DA-Flow model; several share the table",
    )
    options.add_device(group, precision=False)
    group.add_argument(
        "--blocks", default="taps", metavar="LIST", help="taps, all, or names: 1,3 or fnet (taps)"
    )
    group.add_argument(
        "--steps", default="1", metavar="LIST", help="read the last step of runs so long (1)"
    )
    group.add_argument(
        "--exchange",
        action="store_true",
        help="also the EPE of DA-Flow whose backbone sees another pair",
    )
    group.add_argument(
        "--token", type=options.at_least(1), metavar="PX", help="side (their coarsest, 8 or more)"
    )
    group.add_argument(
        "--shrink",
        type=options.at_least(1),
        metavar="N",
        help="average frames to 1/N before the network (what it enlarges by, else 1)",
    )
    group.add_argument(
        "--controls", default="random,shuffled", metavar="LIST", help="of both, or none"
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
    degradations, controls = parse_degradations(args), _controls(args.controls)
    options.start(args)
    subjects, token = _subjects(args)
    makers, exclude = _samples(args, max(subject.window for subject in subjects))
    log = console.Console(args.quiet)
    found, device = [], jax.default_device(api.find_device(args.device))
    with device, console.Progress(log, "analyze", "degradations", len(degradations)) as bar:
        for each in degradations:
            chosen = dict(
                seed=args.seed, exclude=exclude, exchange=args.exchange, controls=controls,
                kept=args.cache,
            )  # fmt: skip
            found.append(study.run(subjects, makers, each, token, **chosen))
            bar.step()
    named = [
        {key: subject.loaded.meta.get(key) for key in ("name", "sha256")} for subject in subjects
    ]
    record = {
        **records.head(command()),
        "model": named[0],
        "models": named,
        "data": {"name": ", ".join(args.pairs) or "generated", "samples": len(makers)},
        "token": token,
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


def _subjects(args):
    """Returns what is compared, and on which tokens."""
    from daflow_jax.evaluate.probing import study, subject

    blocks = args.blocks if args.blocks in ("taps", "all") else split(args.blocks)
    steps = _numbers("--steps", args.steps, 1)
    try:
        found = [subject.of(model, blocks, steps, args.shrink or 0) for model in args.model]
        if args.exchange:
            study.check_exchange(found[0])
        return found, subject.token(found, args.token or 0)
    except errors.UserError as error:
        if error.where not in ("blocks", "steps", "exchange", "token"):
            raise
        raise errors.UserError(f"--{error.where}", error.rule, error.remedy) from None


def _controls(text: str) -> tuple[str, ...]:
    from daflow_jax.evaluate.probing.study import CONTROLS

    chosen = () if text == "none" else tuple(split(text))
    for name in chosen:
        if name not in CONTROLS:
            remedy = errors.nearest(name, (*CONTROLS, "none"))
            raise errors.UserError("--controls", f"{name!r} is not one", remedy)
    return chosen


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
