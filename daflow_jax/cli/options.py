"""Options that several commands share, and what has to happen before JAX starts."""

import argparse
import os
import sys
from typing import Any

from daflow_jax import DEFAULT_MODEL, errors
from daflow_jax.cli import call_options, values
from daflow_jax.cli.values import LONGEST, at_least, mesh, number, size, width_by_height
from daflow_jax.models.entry import Kind

__all__ = [
    "WEIGHT_DTYPES", "add_common", "add_device", "add_keep", "add_layout", "add_model", "at_least",
    "examples", "load", "mesh", "number", "size", "start", "width_by_height",
]  # fmt: skip
WEIGHT_DTYPES = ("float32", "bfloat16", "float16")  # the names in pretrained.DTYPES


def examples(*lines: str) -> dict[str, Any]:
    """Returns the arguments of add_parser that end the help with examples."""
    text = "examples:\n" + "\n".join(f"  {line}" for line in lines)
    return {"epilog": text, "formatter_class": argparse.RawDescriptionHelpFormatter}


def add_common(parser: argparse.ArgumentParser, out: str) -> None:
    """Adds --out and the options about what is said and what is kept."""
    parser.add_argument("--out", metavar="DIR", default=out, help=f"results go here ({out})")
    parser.add_argument("--json", action="store_true", help="result as one JSON object on stdout")
    parser.add_argument("--quiet", action="store_true", help="errors only on stderr")
    parser.add_argument("-v", "--verbose", action="store_true", help="more notes on stderr")
    parser.add_argument("--debug", action="store_true", help="traceback on errors")
    seed = at_least(0, 2**32 - 1)
    parser.add_argument("--seed", type=seed, default=0, help="of every random draw (0)")


def add_keep(parser: argparse.ArgumentParser) -> None:
    """Adds the choice of what happens to results that exist."""
    keep = parser.add_mutually_exclusive_group()
    keep.add_argument("--overwrite", action="store_true", help="replace results that exist")
    keep.add_argument("--skip-existing", action="store_true", help="keep them, compute the rest")


def add_device(parser: argparse._ActionsContainer, precision: bool = True) -> None:
    """Adds where and, with `precision`, in which number format the network runs."""
    parser.add_argument(
        "--device",
        metavar="NAME",
        default=os.environ.get("DAFLOW_DEVICE", "auto"),
        help="auto, cpu, gpu, tpu, or one by number: cuda:1 (auto)",
    )
    if not precision:
        return
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        default=os.environ.get("DAFLOW_PRECISION", "fp32"),
        help="of the layers; correlation and flow stay fp32",
    )


def add_model(
    parser: argparse.ArgumentParser,
    kind: Kind = "flow",
    many: bool = False,
    default: str | None = DEFAULT_MODEL,
) -> None:
    """Adds which model of a kind runs and how; with `many`, --model may be repeated, without
    `default` it must be named."""
    model = parser.add_argument_group("model")
    text, metavar = "name, model folder or .safetensors file", "NAME|DIR"
    if many:
        model.add_argument("--model", metavar=metavar, action="append", help=f"{text}; repeat it")
    else:
        model.add_argument(
            "--model", metavar=metavar, default=default, required=default is None, help=text
        )
    add_device(model)
    if kind == "flow":
        model.add_argument(
            "--scales",
            type=values.scales,
            metavar="A,B|none",
            help="sizes estimated first, such as 0.25,0.5 (the model's own)",
        )
    call_options.add(model, kind)


def add_layout(parser: argparse.ArgumentParser) -> None:
    """Adds how frames are cut up to fit the device."""
    memory = parser.add_argument_group("memory and compiling")
    memory.add_argument(
        "--batch", type=values.auto_or_count, metavar="auto|N", help="pairs at once (auto)"
    )
    memory.add_argument(
        "--bucket",
        type=at_least(1, 4096),
        metavar="PX",
        help="pad frames to multiples first: many sizes share few programs, flow changes a little",
    )
    memory.add_argument(
        "--tile",
        type=values.tile,
        default="auto",
        metavar="auto|off|HxW",
        help="cut large frames (auto)",
    )
    memory.add_argument(
        "--max-size", type=at_least(16, LONGEST), metavar="PX", help="estimate at this size"
    )
    text = "use several devices: seq=4 splits frames, data=2 takes clips side by side"
    memory.add_argument("--mesh", type=mesh, metavar="AXES", help=text)


def start(args: argparse.Namespace) -> None:
    """Prepares JAX for a command: no GPU pre-allocation, compiled programs kept between runs."""
    if "XLA_PYTHON_CLIENT_PREALLOCATE" not in os.environ:
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        if args.verbose:
            print(
                "GPU memory is taken as needed (XLA_PYTHON_CLIENT_PREALLOCATE=false)",
                file=sys.stderr,
            )
    jax = _jax()
    from daflow_jax import pretrained
    from daflow_jax.predict import environment

    environment.check()
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(pretrained.cache_root() / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


def _jax() -> Any:
    """Returns the module; a variable that it does not take is a `UserError`."""
    try:
        import jax
    except ValueError as error:
        said = str(error)
        named = (key for key in os.environ if key.startswith("JAX_"))
        variable = next((key for key in named if key.lower() in said.lower()), "JAX_*")
        where = f"{variable}={os.environ.get(variable, '...')}"
        raise errors.UserError(where, "is not a value that JAX takes", "Unset it") from error
    return jax


def load(args: argparse.Namespace, name: str, log: Any, kind: Kind = "flow") -> Any:
    """Returns the model called `name` on the device and in the form that the options ask for."""
    from daflow_jax import api, predict, pretrained

    placed = dict(device=args.device, precision=args.precision, seed=args.seed, log=log)
    if _jax().config.jax_enable_compilation_cache:
        placed["program_files"] = pretrained.cache_root() / "programs"
    if kind != "flow":
        return api.load(name, kind, **placed)
    layout = predict.Layout(
        batch=getattr(args, "batch", None),
        bucket=getattr(args, "bucket", None),
        tile=getattr(args, "tile", "auto"),
        max_size=getattr(args, "max_size", None),
        scales=args.scales,
    )
    return api.load(name, kind, layout=layout, mesh=getattr(args, "mesh", None), **placed)
