"""Trains one experiment: python train.py --config configs/daflow/flow.py --workdir runs/flow

--config FILE[:ARG] names a file with get_config(); --config.train.steps=200 overrides one field
(write the "="); every field of every section may be overridden, whether the file sets it or not.
Running the same command again resumes. Exit codes: 0 done, 1 failure, 2 bad input, 3 the
machine lacks something, 130 and 143 stopped and saved.

The same command on every machine makes one run of many processes: TPU VMs, GKE, SLURM and Open MPI
let the processes find each other; elsewhere give the three flags, or JAX_COORDINATOR_ADDRESS,
JAX_NUM_PROCESSES and JAX_PROCESS_ID. See docs/launch.md.
"""

import argparse
import sys
import traceback

from daflow_jax import errors


def read_flags(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Returns (flags, overrides of the configuration); argparse refuses with code 2."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--config", required=True, metavar="FILE[:ARG]")
    parser.add_argument("--workdir", required=True, metavar="DIR")
    parser.add_argument("--coordinator", metavar="HOST:PORT", help="where process 0 runs")
    parser.add_argument("--processes", metavar="N", help="how many; 1: look for no others")
    parser.add_argument("--process", metavar="I", help="which one this is, from 0")
    text = "a process that is silent for so long has died (default %(default)s)"
    parser.add_argument("--patience", type=int, default=60, metavar="SECONDS", help=text)
    return parser.parse_known_args(argv)


def run(flags: argparse.Namespace, overrides: list[str]) -> int:
    """Returns the exit code of a run that ends in order."""
    from daflow_jax.sharding import processes

    processes.start(flags.coordinator, flags.processes, flags.process, flags.patience)
    from daflow_jax import experiment
    from daflow_jax.experiment import config_file
    from daflow_jax.train import loop

    config = config_file.read(flags.config, overrides)
    code = loop.train(experiment.build(config), flags.workdir)
    processes.stop()
    return code


def report(error: Exception, workdir: str) -> tuple[int, str]:
    """Returns (exit code, what to print); the traceback of a failure of ours goes to log.txt."""
    if not isinstance(error, errors.UserError):
        from daflow_jax.io import storage

        error = storage.explain(error, workdir) or error
    if not isinstance(error, errors.UserError) and errors.is_full(error):
        rule = f"no room for its files ({type(error).__name__})"
        error = errors.UserError(workdir, rule, "Make room, then run the same command again", 3)
    if isinstance(error, errors.UserError):
        return error.code, str(error)
    from daflow_jax.io.storage import mirror, place

    log, story = place(workdir) / "log.txt", "".join(traceback.format_exception(error))
    try:
        mirror.append(log, story)
    except Exception:  # noqa: BLE001 - no disk, or no bucket
        return 1, f"unexpected failure\n{story}"
    return 1, f"unexpected failure; the traceback is in {log}"


def main(argv: list[str]) -> int:
    """Returns the exit code; a failure among several processes is reported to the others."""
    flags, overrides = read_flags(argv)
    try:
        return run(flags, overrides)
    except Exception as error:  # noqa: BLE001 - all end here, in one line
        from daflow_jax.sharding import processes

        if not isinstance(error, errors.UserError):
            processes.await_news()  # it may only be the echo of another process's end
        code, text = report(error, flags.workdir)
        if not isinstance(error, processes.Told):
            print(f"daflow: error: {text}", file=sys.stderr)
        processes.leave(code, text)
        return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
