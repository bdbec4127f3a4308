"""The process that compiles one program: python -m daflow_jax.plan.worker JOB.json RESULT.json.

A process of its own, because a compiler that fails may end it.
"""

import json
import re
import sys
import traceback
from pathlib import Path
from typing import Any

from daflow_jax import errors


def main(job: Path, result: Path) -> None:
    """Writes the report of a job, or {"failed": why}."""
    asked = json.loads(job.read_text())
    try:
        report = run(asked)
    except errors.UserError as error:
        parts = error.where, error.rule, error.remedy, error.code
        report = {"failed": str(error), "refused": parts}
    except Exception as error:  # the compiler's refusals have many types
        report = {"failed": _reason(error), "details": traceback.format_exc()[-20_000:]}
    result.write_text(json.dumps(report))


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Returns the report of one topology, mesh and program."""
    from daflow_jax.experiment import config_file
    from daflow_jax.plan import compiled, program, topology

    target = topology.parse(job["topology"])
    config = config_file.read(job["config"], job["overrides"]).to_dict()
    config["mesh"] = job["mesh"]
    devices = topology.devices(target)
    if job["predict"]:
        planned = program.predict(config, devices, job["predict"], job["frames"])
    else:
        planned = program.train(config, devices)
    return compiled.report(planned, topology.rates(target, planned.mesh), target.limit)


def _reason(error: Exception) -> str:
    text = str(error)
    used = re.search(r"[Uu]sed ([\d.]+[KMG]) of ([\d.]+[KMG])", text)
    if "RESOURCE_EXHAUSTED" in text and used:
        return f"needs {used[1]}iB of {used[2]}iB"
    return f"{type(error).__name__}: {(text.splitlines() or [''])[0][:300]}"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
