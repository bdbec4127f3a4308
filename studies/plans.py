"""The table of docs/plans.md: what typical slices need for the large configurations.

    python -m studies.plans               # hours on a small machine; stops and goes on anywhere
    python -m studies.plans --only v5e    # the slices whose names begin so

Needs libtpu (pip install 'daflow-jax[plan]'). Plans are kept in docs/plans.json; one that is there
is not made again: delete its entry to make it anew.
"""

import argparse
import json
from pathlib import Path

from daflow_jax.plan import report, trial

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
}
MARKS = "<!-- plans: begin -->\n", "<!-- plans: end -->\n"


def jobs() -> list[trial.Job]:
    """Returns what the table holds: both stages, then the prediction of full-HD pairs."""
    train = [
        trial.Job(config, [AVERAGE, short, *PARTS.get((config, name), ())], name, meshes[0])
        for config, short in zip((LIFT, FLOW), SHORT, strict=True)
        for name, meshes in SLICES.items()
    ]
    spread = trial.Job(LIFT, [AVERAGE, SHORT[0]], "v5e:4x4", {"fsdp": 4, "seq": 4})
    predict = [
        trial.Job(FLOW, [SHORT[1]], name, meshes[1], (1080, 1920), 2)
        for name, meshes in SLICES.items()
    ]
    return [*train, spread, *predict]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="beginning of the slices to plan")
    parser.add_argument("--timeout", type=int, default=4 * 3600, help="seconds of one plan")
    args = parser.parse_args()
    file = DOCS / "plans.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    for job in jobs():
        if _name(job) not in known and job.topology.startswith(args.only):
            print(_name(job), flush=True)
            known[_name(job)] = trial.run(job, args.timeout)
            known[_name(job)].pop("details", None)
            file.write_text(json.dumps(known, indent=1) + "\n")
            _write_table([known[name] for name in map(_name, jobs()) if name in known])


def _name(job: trial.Job) -> str:
    return json.dumps(job._asdict(), sort_keys=True)


def _write_table(reports) -> None:
    page = DOCS / "plans.md"
    before, rest = page.read_text().split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    table = report.markdown(reports)
    page.write_text(f"{before}{MARKS[0]}{table}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
