"""The command `daflow`: one module a verb, imported only when it is asked for."""

import argparse
import errno
import importlib
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Any

from daflow_jax import __version__, errors

COMMANDS = {  # verb: (module, one line)
    "demo": ("demo", "estimate flow of a degraded clip made on the spot, beside baselines"),
    "flow": ("flow", "optical flow of a pair, list, folder, glob or video"),
    "restore": ("restore", "restore images, folders and videos with a trained restorer"),
    "interpolate": ("interpolate", "new frames between those of a pair, folder or video"),
    "segment": ("segment", "masks of what moves, from motion alone"),
    "fit": ("fit", "tracks of every point of a video, through occlusions"),
    "degrade": ("degrade", "make images, folders, videos or pairs worse by a recorded recipe"),
    "eval": ("evaluate", "errors of models, baselines or stored flow on pairs with true flow"),
    "table": ("table", "evaluations of several data sets as one table, in DA-Flow's form"),
    "score": ("score", "motion scores of videos, to filter data"),
    "analyze": ("analyze", "which features of networks match, and whether flow relies on them"),
    "data": ("data", "check, describe and label folders of data"),
    "doctor": ("doctor", "check versions, devices, memory, cache and optional parts"),
    "plan": ("plan", "memory, exchanges and FLOPs of a run on TPUs or GPUs that need not be there"),
    "export": ("export", "save a fixed-size function as StableHLO for serving"),
    "convert": ("convert", "flow file formats; published PyTorch weights to a model folder"),
}
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Parser(argparse.ArgumentParser):
    """Refuses bad usage in one line, as every other refusal.

    A verb that sets `takes_config` finds every --config.x=y, as train.py takes them, in
    `args.overrides`.
    """

    takes_config = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        overrides = [x for x in given if self.takes_config and x.startswith("--config.")]
        rest = [x for x in given if x not in overrides]
        found, unknown = super().parse_known_args(rest, namespace)
        if self.takes_config:
            found.overrides = overrides
        return found, unknown

    def error(self, message: str):
        self.exit(2, f"daflow: error: {message}. See: {self.prog} --help.\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code of one command line."""
    from daflow_jax.cli import console

    argv = list(sys.argv[1:] if argv is None else argv)
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console.prepare()
    args = _parser(argv).parse_args(argv)
    if args.command is None:
        _parser([]).print_help()
        return 2
    try:
        code = _run(args)
        console.flush()
        return code
    except KeyboardInterrupt:
        print("daflow: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever reads, as `head` does, has enough
        console.abandon_stdout()
        return 141
    except Exception as error:  # the border: every failure becomes a line and an exit code
        if getattr(args, "debug", False):
            raise
        return _report(error)


def _run(args: argparse.Namespace) -> int:
    from daflow_jax.cli import buckets, console, sources

    quiet = getattr(args, "quiet", False)
    with buckets.resolved(args), sources.reading(args), console.warnings_on(stderr=not quiet):
        return args.module.run(args)


def _parser(argv: Sequence[str]) -> Parser:
    """Returns the parser; only the verb found in `argv` gets its options."""
    parser = Parser(
        prog="daflow",
        description="Optical flow that holds on degraded video.",
        epilog="Each command explains itself: daflow flow --help.",
    )
    parser.add_argument("--version", action="version", version=f"daflow {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    verb = next((word for word in argv if not word.startswith("-")), None)
    module = None
    for name, (file, text) in COMMANDS.items():
        if name == verb:
            module = importlib.import_module(f"daflow_jax.cli.{file}")
            module.add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=text)
    parser.set_defaults(module=module)
    return parser


def _report(error: Exception) -> int:
    from daflow_jax.cli import console

    if not isinstance(error, errors.UserError):
        from daflow_jax.io import storage

        error = storage.explain(error) or error
    if isinstance(error, errors.UserError):
        console.error(str(error))
        return error.code
    if isinstance(error, OSError) and error.filename and error.strerror:
        console.error(errors.one_line(f"{error.filename}: {error.strerror}."))
        return 3 if error.errno in _FULL else 2
    if isinstance(error, OSError) and error.errno in _FULL:  # a file would have a name
        console.abandon_stdout()
        console.error(str(console.full(error)))
        return 3
    first = (str(error).splitlines() or [""])[0]
    console.error(f"unexpected {type(error).__name__}: {first}.{_log(error)}")
    return 1


def _log(error: Exception) -> str:
    """Returns where the traceback was written; nothing where no file can be."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="daflow-", suffix=".log", delete=False, encoding="utf-8"
        ) as log:
            traceback.print_exception(error, file=log)
    except OSError:
        return " Details: --debug."
    return f" Details: {log.name}."
