"""Trains one experiment: python train.py --config configs/daflow/flow.py --workdir runs/flow

--config FILE[:ARG] names a file with get_config(); --config.train.steps=200 overrides one field
(write the "="); every field of every section may be overridden, whether the file sets it or not.
Running the same command again resumes. Exit codes: 0 done, 1 failure, 2 bad input, 3 the
machine lacks something, 130 and 143 stopped and saved.
"""

import argparse
import sys
import traceback
from pathlib import Path
from typing import Any

from daflow_jax import errors


def read_flags(argv: list[str]) -> tuple[Any, str]:
    """Returns (config, workdir) of the command line; argparse and UserError refuse with code 2."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--config", required=True, metavar="FILE[:ARG]")
    parser.add_argument("--workdir", required=True, metavar="DIR")
    known, overrides = parser.parse_known_args(argv)
    from daflow_jax import config_file

    return config_file.read(known.config, overrides), known.workdir


def main(argv: list[str]) -> int:
    """Returns the exit code of a run."""
    workdir = None
    try:
        config, workdir = read_flags(argv)
        from daflow_jax import experiment
        from daflow_jax.train import loop

        return loop.train(experiment.build(config), workdir)
    except errors.UserError as error:
        print(f"daflow: error: {error}", file=sys.stderr)
        return error.code
    except Exception:  # noqa: BLE001 - our fault: the whole story goes to the log
        log = Path(workdir or ".") / "log.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "a", encoding="utf-8") as file:
            file.write(traceback.format_exc())
        print(f"daflow: error: unexpected failure; the traceback is in {log}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
