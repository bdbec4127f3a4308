"""`daflow eval` of restorers: PSNR and SSIM of degraded and restored clips against clean ones."""

import argparse
import json

from daflow_jax import errors
from daflow_jax.cli import call_options, console, options
from daflow_jax.cli.evaluate import command, parse_degradations, refuse, report_failure


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing results."""
    from daflow_jax import evaluate

    of_flow = ("baseline", "predictions", "exclude", "max_epe", "min_epe_drop", "scales", "mesh")
    of_flow += ("every",)
    of_flow += tuple(call_options.chosen(args, "flow"))
    refuse(args, of_flow, "is of flow, and this model restores", "Leave it out")
    if args.protocol:
        return _by_protocol(args)
    refuse(args, ("flicker",), "is measured with --protocol alone", "Add --protocol davis")
    degradations = parse_degradations(args)
    options.start(args)
    log = console.Console(args.quiet)
    methods = _methods(args, log)
    with console.Progress(log, "eval", "clips") as bar:
        results = evaluate.run_restoration(
            args.pairs,
            methods,
            degradations,
            limit=args.limit,
            seed=args.seed,
            progress=lambda done, total: bar.step(),
            on_failure=report_failure,
        )
    record = results.save(args.out, command(), args.device)
    if args.report:
        results.page(args.report, record)
    print(json.dumps(record) if args.json else results.table())
    return 5 if results.failures else 0


def _methods(args: argparse.Namespace, log: console.Console) -> list:
    """Returns the loaded models with the options of their calls."""
    from daflow_jax.evaluate import restorers

    chosen, found = call_options.chosen(args, "restoration"), []
    for name in args.model:
        model = options.load(args, name, log.note, "restoration")
        found.append(restorers.of_model(model, **chosen))
    return found


def _by_protocol(args: argparse.Namespace) -> int:
    """Returns the exit code after writing the results of a protocol."""
    from daflow_jax.evaluate import baselines, protocols, restoration_protocol

    named = ("degrade", "no_clean", "report")
    refuse(args, named, "does not go with --protocol, which has its own", "Leave it out")
    protocol = protocols.get(args.protocol)
    if len(args.pairs) > 1:
        rule = f"{len(args.pairs)} folders; a protocol has one"
        raise errors.UserError("PAIRS", rule, "Evaluate them one after the other")
    options.start(args)
    log = console.Console(args.quiet)
    methods = _methods(args, log)
    with console.Progress(log, "eval", "clips") as bar:
        results = restoration_protocol.run_protocol(
            args.pairs[0],
            methods,
            protocol,
            layout="" if args.layout == "pairs" else args.layout,
            limit=args.limit,
            seed=args.seed,
            flow=baselines.BASELINES[args.flicker] if args.flicker else None,
            progress=lambda done, total: bar.step(),
            on_failure=report_failure,
        )
    record = results.save(args.out, command(), args.device)
    print(json.dumps(record) if args.json else results.table())
    return 5 if results.failures else 0
