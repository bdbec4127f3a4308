"""The table of docs/plans.md: what typical slices need for the large configurations.

    python -m studies.plans               # hours on a small machine; stops and goes on anywhere
    python -m studies.plans --only v5e    # the slices whose names begin so
    python -m studies.plans --config configs/jffra/denoise.py
    python -m studies.plans --effort 0 --only v5p    # at the compiler effort of a run
    python -m studies.plans --list        # what is missing, with the command of each

Needs libtpu (pip install 'daflow-jax[plan]') and, for GPUs, JAX's CUDA plugin ('[cuda12]'). Plans
are kept in docs/plans.json; one that is there is not made again: delete its entry to make it anew.
"""

import argparse
import json
import os
from pathlib import Path

from daflow_jax.plan import meshes, report, trial
from studies import page

DOCS = Path(__file__).parents[1] / "docs"
LIFT, FLOW = "configs/daflow/lift_base.py", "configs/daflow/flow_base.py"
AVERAGE = "--config.optimizer.ema_decay=0.999"
SHORT = "--config.model.dit.scan=True", "--config.model.backbone.dit.scan=True"  # compiles faster
# the flow stage keeps the activations of twelve iterations: on the smallest chips a clip at a time
PARTS = {(FLOW, "v5e:4x4"): ["--config.train.accumulate=2"]}
SLICES = {  # how 32 clips and how predictions spread; a v4 program is for one core of a chip's two
    "v5e:4x4": ({"fsdp": 16}, {"data": 4, "seq": 4}),
    "v6e:4x4": ({"fsdp": 16}, {"data": 4, "seq": 4}),
    "v5p:4x4x4": ({"fsdp": 32, "seq": 2}, {"data": 16, "seq": 4}),
    "v4:2x2x4": ({"fsdp": 32}, {"data": 8, "seq": 4}),
    "h100:8": ({"fsdp": 8}, {"data": 2, "seq": 4}),
}
PAPERS = "h100:4", {"fsdp": 4}  # what DA-Flow was trained on
TWO, TWO_MESH = "2xv5e:4x4", {"dcn": 2, "fsdp": 16}
EIGHT = "int8_mixed", "fp8_mixed"
EIGHT_ON = {"v6e:4x4": {"fsdp": 16}, "v5p:2x2x2": {"fsdp": 8}}
HD = (1080, 1920)
ALONE = (544, 960), (720, 1280), HD  # compiling the last one takes more than 21 GB of memory
JFFRA = "configs/jffra/denoise.py"  # 48 clips: three a chip
SMALL = "configs/daflow/lift.py"  # nano: of which both efforts end in minutes


def jobs() -> list[trial.Job]:
    """Returns what the table holds: both stages, the second one also on the paper's GPUs, the first
    one also on two slices and with products in 8 bits; then the prediction of full-HD pairs, last
    on one chip; JFFRA's training; and a nano network."""
    train = [
        trial.Job(config, [AVERAGE, short, *PARTS.get((config, name), ())], name, mesh[0])
        for config, short in zip((LIFT, FLOW), SHORT, strict=True)
        for name, mesh in SLICES.items()
    ]
    spread = trial.Job(LIFT, [AVERAGE, SHORT[0]], "v5e:4x4", {"fsdp": 4, "seq": 4})
    predict = [trial.Job(FLOW, [SHORT[1]], name, mesh[1], HD, 2) for name, mesh in SLICES.items()]
    plain = [AVERAGE, SHORT[0]]
    apart = trial.Job(LIFT, plain, TWO, TWO_MESH)
    eight = [
        trial.Job(LIFT, [*plain, *more], name, mesh)
        for name, mesh in EIGHT_ON.items()
        for more in ([], *([f"--config.precision={x}"] for x in EIGHT))
        if more or mesh != SLICES.get(name, ({},))[0]
    ]
    alone = [trial.Job(FLOW, [SHORT[1]], "v6e:1x1", {"data": 1}, size, 2) for size in ALONE]
    small = [trial.Job(SMALL, [], "v5e:2x2", {"data": 4})]
    small += [
        trial.Job(SMALL, [f"--config.precision={x}"], name, {"data": 4})
        for name in ("v6e:2x2", "v5p:2x2x1")
        for x in ("bf16_mixed", *EIGHT)
    ]
    alone.append(trial.Job(FLOW, [SHORT[1]], "h100:1", {"data": 1}, HD, 2))
    four = [trial.Job(FLOW, [AVERAGE, SHORT[1]], *PAPERS)]
    restorer = trial.Job(JFFRA, [], "v5e:4x4", {"data": 16})
    return [*train, *four, spread, apart, *eight, *predict, *alone, restorer, *small]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="beginning of the slices to plan")
    parser.add_argument("--config", default="", help="plan this configuration alone")
    parser.add_argument("--timeout", type=int, default=4 * 3600, help="seconds of one plan")
    parser.add_argument("--effort", type=float, default=trial.QUICK, help="of the compiler (-1)")
    parser.add_argument("--list", action="store_true", help="name what is missing, compile nothing")
    args = parser.parse_args()
    os.environ[trial.EFFORT] = str(args.effort)
    file = DOCS / "plans.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    for job in jobs():
        name = _name(job, args.effort)
        wanted = job.topology.startswith(args.only) and args.config in ("", job.config)
        if name in known or not wanted:
            continue
        print(command(job) if args.list else name, flush=True)
        if args.list:
            continue
        made = trial.run(job, args.timeout)
        made.pop("details", None)
        known = json.loads(file.read_text()) if file.exists() else {}  # another may have run
        known[name] = made
        file.write_text(json.dumps(known, indent=1) + "\n")
        page.fill(DOCS / "plans.md", "plans", report.markdown(_rows(known)))


def _rows(known: dict[str, report.Report]) -> list[report.Report]:
    """Returns the plans in the order of the table, those of one program by effort."""
    efforts = sorted({one.get("effort", trial.QUICK) for one in known.values()})
    names = [_name(job, effort) for job in jobs() for effort in efforts]
    return [known[name] for name in names if name in known]


def _name(job: trial.Job, effort: float) -> str:
    about = job._asdict() | ({} if effort == trial.QUICK else {"effort": effort})
    return json.dumps(about, sort_keys=True)


def command(job: trial.Job) -> str:
    """Returns the command that plans it."""
    words = ["daflow plan --config", job.config, "--topology", job.topology]
    words += ["--mesh", meshes.text(job.mesh), *job.overrides]
    if job.predict:
        words += ["--predict", "x".join(map(str, job.predict)), "--frames", str(job.frames)]
    return " ".join(words)


if __name__ == "__main__":
    main()
