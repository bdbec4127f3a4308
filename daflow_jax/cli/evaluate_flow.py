"""`daflow eval` of flow: errors of methods on pairs with true flow, clean and degraded."""

import argparse
import json
import sys
from pathlib import Path

from daflow_jax import DEFAULT_MODEL, errors
from daflow_jax.cli import call_options, console, options
from daflow_jax.cli.evaluate import command, parse_degradations, refuse, report_failure, split


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing results."""
    from daflow_jax import evaluate
    from daflow_jax.evaluate import pictures

    restoring = tuple(call_options.chosen(args, "restoration"))
    refuse(args, restoring, "is of models that restore", "Leave it out")
    degradations = parse_degradations(args)
    pairs = evaluate.read_pairs(args.pairs, args.layout, args.limit, args.every or 1)
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
            on_failure=report_failure,
        )
    record = results.save(args.out, command(), args.device)
    pictures.write(Path(args.out) / "worst", results.worst(args.worst))
    if args.report:
        results.page(args.report, record, args.worst)
    print(json.dumps(record) if args.json else results.table())
    return _verdict(args, results) or (5 if results.failures else 0)


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
