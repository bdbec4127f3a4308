"""The table of plans: every program once, with its command, and what lies in the file."""

import json

from daflow_jax.cli import values
from daflow_jax.plan import topology, trial
from studies import plans


def test_every_program_is_there_once_and_its_command_names_it():
    jobs = plans.jobs()
    names = [plans._name(job, trial.QUICK) for job in jobs]
    assert len(set(names)) == len(names)
    kinds = {job.topology.partition(":")[0] for job in jobs}
    assert kinds == {"v4", "v5e", "v5p", "v6e", "2xv5e", "h100"}
    for job in jobs:
        words = plans.command(job).split()
        assert values.mesh(words[words.index("--mesh") + 1]) == job.mesh
        assert topology._NAME.fullmatch(job.topology) and set(job.overrides) <= set(words)
    assert sum(job.predict == (1080, 1920) and job.topology == "v6e:1x1" for job in jobs) == 1


def test_the_table_holds_what_the_file_does_and_one_program_by_effort():
    known = json.loads((plans.DOCS / "plans.json").read_text())
    rows = plans._rows(known)
    assert len(rows) == len(known) and not [row for row in rows if "failed" in row]
    page = (plans.DOCS / "plans.md").read_text()
    assert page.split("<!-- plans: begin -->")[1].count("\n| lift") >= 4
