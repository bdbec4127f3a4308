"""`daflow eval` of restorers: PSNR and SSIM of degraded and restored clips against clean ones."""

import argparse
import json

from daflow_jax.cli import call_options, console, options
from daflow_jax.cli.evaluate import command, parse_degradations, refuse, report_failure


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing results."""
    from daflow_jax import evaluate
    from daflow_jax.evaluate import restorers

    of_flow = ("baseline", "predictions", "exclude", "max_epe", "min_epe_drop", "scales", "mesh")
    of_flow += tuple(call_options.chosen(args, "flow"))
    refuse(args, of_flow, "is of flow, and this model restores", "Leave it out")
    degradations = parse_degradations(args)
    options.start(args)
    log = console.Console(args.quiet)
    chosen = call_options.chosen(args, "restoration")
    methods = []
    for name in args.model:
        model = options.load(args, name, log.note, "restoration")
        methods.append(restorers.of_model(model, **chosen))
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
