"""`daflow analyze`: which features of a restorer match, and whether flow relies on them."""

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from daflow_jax import errors
from daflow_jax.cli import console, options


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
            "daflow analyze pairs --model runs/lift/export/best --degrade calibration:3",
            "daflow analyze --generated 24 --model my_restorer --blocks all --steps 1,10",
            "daflow analyze pairs --model my_daflow --degrade calibration:3 --exchange",
        ),
    )
    parser.add_argument("pairs", nargs="*", metavar="PAIRS", help="folders of pairs, as in eval")
    options.add_common(parser, "daflow_analyze")
    _add_model(parser.add_argument_group("model"))
    parser.add_argument("--layout", default="pairs", metavar="NAME[:SPLIT]", help="of PAIRS")
    parser.add_argument("--limit", type=options.at_least(1), metavar="N", help="first N pairs only")
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
        "--degrade", default="", metavar="RECIPE:LEVEL,...", help="analyze degraded frames as well"
    )
    parser.add_argument("--no-clean", action="store_true", help="degraded frames only")
    parser.add_argument("--no-plot", action="store_true", help="no heat map (matplotlib)")


def _add_model(group):
    group.add_argument(
        "--model", metavar="NAME|DIR", required=True, help="a restorer or a DA-Flow model"
    )
    group.add_argument(
        "--device", metavar="NAME", default="auto", help="auto, cpu, gpu, tpu (auto)"
    )
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


class Subject(NamedTuple):
    """What is looked at: the loaded model, its restorer, and what of it is compared."""

    loaded: Any
    config: Any
    variables: Any
    blocks: tuple[int, ...]
    steps: tuple[int, ...]


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing results, table and heat map."""
    from daflow_jax.cli import analysis, results
    from daflow_jax.cli import degradations as degraded
    from daflow_jax.io import atomic

    if bool(args.pairs) == bool(args.generated):
        raise errors.UserError("PAIRS", "or --generated, one of them", "Name folders, or a number")
    if not args.no_plot and importlib.util.find_spec("matplotlib") is None:
        rule, remedy = "needs matplotlib", "Install daflow-jax[plots] or pass --no-plot"
        raise errors.UserError("the heat map", rule, remedy, 3)
    degradations = degraded.parse(args.degrade, clean=not args.no_clean)
    options.start(args)
    subject = _subject(args)
    makers = _makers(args, min(max(subject.config.frames, 2), 3))
    talk = console.Console(args.quiet)
    found = []
    with _device(args), console.Progress(talk, "analyze", "degradations", len(degradations)) as bar:
        for degradation in degradations:
            found.append(_one(subject, makers, degradation, args))
            bar.step()
    meta = subject.loaded.meta
    summary = {
        "schema": 1,
        "command": " ".join(["daflow", *sys.argv[1:]]),
        "date": results.now(),
        "model": {"name": meta.get("name"), "sha256": meta.get("sha256")},
        "data": {"name": ", ".join(args.pairs) or "generated", "samples": len(makers)},
        "seed": args.seed,
        "degradation": found,
        "environment": results.environment(args.device),
    }
    table, out = analysis.table(found), Path(args.out)
    atomic.write_text(out / "results.json", json.dumps(summary, indent=1) + "\n")
    atomic.write_text(out / "table.md", table)
    if not args.no_plot:
        analysis.heat_map(out / "heat_map.png", found)
    print(json.dumps(summary) if args.json else table)
    return 0


def _device(args):
    import jax

    from daflow_jax import api

    return jax.default_device(api.find_device(args.device))


def _subject(args) -> Subject:
    from daflow_jax import api, pretrained

    loaded = pretrained.load(pretrained.resolve(args.model))
    config, variables = api.restorer_of(args.model, loaded)
    if args.exchange and loaded.config.family != "daflow":
        rule = f"{args.model} is a restorer, which gives no flow"
        raise errors.UserError("--exchange", rule, "Name a DA-Flow model")
    blocks = {"taps": config.dit.taps, "all": tuple(range(config.dit.blocks))}.get(args.blocks)
    if blocks is None:
        blocks = tuple(sorted(set(_numbers("--blocks", args.blocks, 0))))
    if blocks[-1] >= config.dit.blocks:
        rule, last = f"block {blocks[-1]} does not exist", config.dit.blocks - 1
        raise errors.UserError("--blocks", rule, f"Use 0 to {last}, taps or all")
    steps = _numbers("--steps", args.steps, 1)
    if config.dit.form != "full":
        if max(steps) > 1:
            rule = "needs denoising, and this model was slimmed to its first step"
            raise errors.UserError("--steps", rule, "Use the model it was made from")
        if blocks[-1] != config.dit.taps[-1]:
            blocks = (*blocks, config.dit.taps[-1])  # where the slimmed network ends
    return Subject(loaded, config, variables, blocks, steps)


def _numbers(where, text, least) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) >= least for part in parts):
        raise errors.UserError(where, f"{text!r} is no list of numbers", f"Write {least},3")
    return tuple(map(int, parts))


def _makers(args, window):
    from daflow_jax.cli import evaluate, samples

    if args.generated:
        return samples.of_generator(args.generated, args.size, args.seed, window)
    return samples.of_pairs(evaluate.read_pairs(args), args.seed, window)


def _one(subject: Subject, makers, degradation, args) -> dict[str, Any]:
    """Returns all that is measured on frames of one degradation."""
    from daflow_jax.cli import analysis, probe

    multiple, seed = subject.loaded.config.multiple, args.seed
    kept = [make(degradation) for make in makers]  # as bytes: they are read several times

    def samples():
        return (sample.padded(multiple) for sample in kept)

    cell = subject.config.multiple
    whole = subject.config.dit.form == "full"
    networks = {
        "trained": (subject.config, subject.variables),
        "random": probe.random_variables(subject.config, seed),
    }
    rows = [
        {"network": name, "steps": steps, **row}
        for name, network in networks.items()
        for steps in subject.steps
        for row in analysis.rows(
            probe.Probe(*network, subject.blocks, steps, steps - 1, seed).scores(samples)
        )
    ]
    found = [(sample, probe.references(sample, cell)) for sample in samples()]
    out = {"recipe": degradation.recipe, "level": degradation.level, "rows": rows}
    out["references"] = analysis.by_name(found)
    if whole:
        restore = probe.restoration(subject.config, subject.variables, seed)
        out["restoration"] = analysis.average([(s, restore(s)) for s in samples()])
    if args.exchange:
        out["exchange"] = _exchanged(subject, list(samples()), seed)
    return out


def _exchanged(subject: Subject, samples, seed):
    """Returns the EPE with own and foreign diffusion features, over samples that have a partner:
    the next one of their size."""
    from daflow_jax.cli import analysis, probe

    loaded = subject.loaded
    iters = loaded.meta.get("defaults", {}).get("iters", loaded.config.iters)
    measure = probe.exchange(loaded.config, loaded.variables, iters, seed)
    pairs = []
    for place, sample in enumerate(samples):
        others = samples[place + 1 :] + samples[:place]
        other = next((x for x in others if x.lq.shape == sample.lq.shape), None)
        if other is not None:
            pairs.append((sample, measure(sample, other)))
    if not pairs:
        rule = "no two samples have the same size"
        raise errors.UserError("--exchange", rule, "Add pairs of one data set")
    return {"samples": len(pairs), **analysis.average(pairs)}
