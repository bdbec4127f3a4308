"""The process that runs the cases, one after the other: `python -m tests.fuzz.worker`.

Reads a JSON line {"kind": "daflow" | "load" | "build", "argv": [...], "folder": ...} from stdin and
answers with the exit code on its own line; the case's stdout and stderr go to files of the folder.
"""

import json
import os
import sys
import tempfile
from pathlib import Path


def _daflow(argv: list[str]) -> int:
    from daflow_jax import cli

    return cli.main(argv)


def _load(argv: list[str]) -> int:
    """Reads a model folder, its arrays too."""
    from daflow_jax import errors, pretrained

    try:
        pretrained.load(argv[0])
    except errors.UserError as error:
        print(f"daflow: error: {error}", file=sys.stderr)
        return error.code
    return 0


def _build(argv: list[str]) -> int:
    """Reads and builds a configuration, as train.py does before it trains."""
    import train
    from daflow_jax import experiment
    from daflow_jax.experiment import config_file

    flags, overrides = train.read_flags(argv)
    try:
        experiment.build(config_file.read(flags.config, overrides))
    except Exception as error:  # noqa: BLE001 - as train.main does
        code, text = train.report(error, flags.workdir)
        print(f"daflow: error: {text}", file=sys.stderr)
        return code
    return 0


RUN = {"daflow": _daflow, "load": _load, "build": _build}


def run(case: dict) -> int:
    """Returns the exit code of one case, whose files and streams are its own."""
    try:
        code = RUN[case["kind"]](case["argv"])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException as error:  # noqa: BLE001 - nothing may pass the border
        print(f"Traceback: {type(error).__name__}: {error}", file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def main() -> None:
    """Answers until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    orders = os.fdopen(os.dup(0), "r")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    import daflow_jax.api
    import daflow_jax.experiment  # noqa: F401 - loaded before the first case is timed

    answers.write("ready\n")
    for line in orders:
        case = json.loads(line)
        folder = Path(case["folder"])
        os.chdir(folder)
        tempfile.tempdir = str(folder / "tmp")
        os.environ["TMPDIR"] = tempfile.tempdir
        for number, name in ((1, "stdout"), (2, "stderr")):
            file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
            os.close(file)
        answers.write(f"{run(case)}\n")


if __name__ == "__main__":
    main()
