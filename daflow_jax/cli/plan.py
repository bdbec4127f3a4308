"""`daflow plan`: memory, exchanges and FLOPs of a run on machines that are not there."""

import argparse
import json

from daflow_jax import errors
from daflow_jax.cli import console, options


def add_parser(subparsers) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "plan",
        help="memory, exchanges and FLOPs of a run on TPUs or GPUs that need not be there",
        description=(
            "Compiles the very step of a training, or of a prediction, for TPUs or NVIDIA GPUs "
            "that need not be there, and reads the program: memory of a device, what devices "
            "exchange and over which mesh axis, FLOPs, attention that holds whole logits. Needs "
            "the compiler: pip install 'daflow-jax[plan]' for TPUs, 'daflow-jax[cuda12]' for GPUs. "
            "cpu:8 tries the command without. Large networks take minutes per mesh; every "
            "compilation has a process of its own. The TPU compiler works with little effort; "
            "JAX_EXEC_TIME_OPTIMIZATION_EFFORT=0 gives it that of a run."
        ),
        **options.examples(
            "daflow plan --config configs/daflow/lift_base.py --topology v5e:4x4 --mesh fsdp=16",
            "daflow plan --config configs/daflow/flow_base.py --topology v6e:4x4 "
            "--config.train.batch_size=64",
            "daflow plan --config configs/daflow/lift_base.py --topology 2xv5e:4x4 "
            "--mesh dcn=2,fsdp=16",
            "daflow plan --config configs/daflow/flow_base.py --topology h100:4 --mesh fsdp=4",
            "daflow plan --config configs/daflow/flow_base.py --topology v5e:4x4 "
            "--predict 1080x1920 --mesh data=2,seq=8 --out plan.json",
        ),
    )
    parser.takes_config = True
    parser.add_argument(
        "--config", required=True, metavar="FILE", help="as of train.py; --config.x=y overrides"
    )
    parser.add_argument(
        "--topology",
        required=True,
        metavar="NAME",
        help="v4, v5e, v5p or v6e with its shape, or a100, h100, h200, b200 with a number; "
        "2xv5e:4x4 are two slices, 2xh100:8 two machines",
    )
    parser.add_argument(
        "--mesh",
        type=options.mesh,
        action="append",
        metavar="AXES",
        help="data=4,fsdp=4; repeat it; without it several are tried",
    )
    parser.add_argument(
        "--predict", type=options.size, metavar="HxW", help="plan the prediction at this size"
    )
    parser.add_argument(
        "--frames", type=options.at_least(2), metavar="F", help="of a predicted clip (the model's)"
    )
    parser.add_argument(
        "--timeout", type=options.at_least(1), default=3600, metavar="S", help="of one mesh (3600)"
    )
    parser.add_argument("--out", metavar="FILE", help="write the plans there as well, as JSON")
    parser.add_argument("--json", action="store_true", help="plans as one JSON list on stdout")
    parser.add_argument("--quiet", action="store_true", help="errors only on stderr")
    parser.add_argument("--debug", action="store_true", help="traceback on errors")


def run(args: argparse.Namespace) -> int:
    """Returns 0 if a mesh fits, else 4, after printing what each needs."""
    from daflow_jax.experiment import config_file
    from daflow_jax.io import atomic, protected
    from daflow_jax.plan import meshes, report, topology, trial

    if args.out:
        protected.refuse(args.out, protected.known([args.config]))
    target = topology.parse(args.topology)
    config = config_file.read(args.config, args.overrides)
    batch, predict = config.train.batch_size, args.predict is not None
    tried = args.mesh or meshes.candidates(target.devices, batch, predict, target.slices)
    if not tried:
        rule = f"a batch of {batch} divides over no mesh of {target.devices} devices"
        raise errors.UserError(f"--topology {args.topology}", rule, "Name one: --mesh data=2,seq=4")
    talk = console.Console(args.quiet)
    reports = []
    for mesh in tried:
        job = trial.Job(args.config, args.overrides, args.topology, mesh, args.predict, args.frames)
        talk.note(f"compiling for {args.topology}, {meshes.text(mesh)} ...")
        reports.append(trial.run(job, args.timeout))
        if args.out:  # after each: one more may take an hour
            atomic.write_text(args.out, json.dumps(reports, indent=1))
    if all("refused" in one for one in reports):  # it is the configuration
        raise errors.UserError(*reports[0]["refused"])
    chosen = report.best(reports)
    if args.json:
        print(json.dumps(reports))
        return 0 if chosen is not None else 4
    print(f"{report.program(reports[0])} on {args.topology}: {target.devices} devices")
    print(report.table(reports))
    if chosen is not None:
        print(report.details(chosen))
    print(report.advice(reports))
    return 0 if chosen is not None else 4
