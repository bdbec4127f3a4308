"""`daflow export`: a fixed-size function as StableHLO (JAX alone loads it), or a model folder."""

import argparse
import json
from pathlib import Path
from typing import Any

from daflow_jax import __version__, errors
from daflow_jax.cli import console, export_folder, options

ARTEFACT, SIGNATURE, EXAMPLE = "flow.stablehlo", "signature.json", "load_example.py"
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")

_EXAMPLE = '''\
"""Runs the exported function; needs jax and numpy, not daflow_jax."""

import json
import pathlib

import jax
import numpy as np
from jax import export

here = pathlib.Path(__file__).parent
signature = json.loads((here / "signature.json").read_text())
exported = export.deserialize(bytearray((here / "flow.stablehlo").read_bytes()))
frames = np.random.default_rng(0).random(signature["inputs"][0]["shape"], np.float32)
flow = jax.jit(exported.call)(frames)
print(flow.shape, flow.dtype)
'''


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "export",
        help="save a fixed-size function as StableHLO for serving, or a smaller model folder",
        description=(
            "stablehlo: a folder with the function (weights inside), its signature and an example "
            "that loads it with JAX alone. folder: a model folder of another dtype, or with --slim "
            "one whose restoration backbone holds only what the first denoising step needs."
        ),
        **options.examples(
            "daflow export --size 192x256",
            "daflow export --size 384x512 --batch 4 --iters 8 --out served",
            "daflow export --model my_daflow --format folder --slim --dtype bfloat16 --out small",
        ),
    )
    options.add_common(parser, "daflow_export")
    options.add_model(parser)
    parser.add_argument("--format", choices=("stablehlo", "folder"), default="stablehlo")
    parser.add_argument("--size", type=options.size, metavar="HxW", help="of frames (stablehlo)")
    parser.add_argument("--batch", type=options.at_least(1), default=1, help="pairs at once (1)")
    parser.add_argument(
        "--platforms", default="", metavar="LIST", help="of cpu,cuda,rocm,tpu (this machine's)"
    )
    export_folder.add_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace a folder that exists")


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing the folder."""
    if args.format == "folder":
        return export_folder.run(args)
    from daflow_jax import api, predict
    from daflow_jax.io import atomic

    out = Path(args.out)
    if args.size is None:
        raise errors.UserError("--size", "is missing; the function has a fixed one", "Give HxW")
    if args.slim or args.dtype:
        raise errors.UserError("--slim and --dtype", "are of --format folder", "Leave them out")
    if (out / SIGNATURE).exists() and not args.overwrite:
        raise errors.UserError(out / SIGNATURE, "exists", "Pass --overwrite or another --out")
    options.start(args)
    talk = console.Console(args.quiet)
    model = api.load(
        args.model,
        device=args.device,
        precision=args.precision,
        seed=args.seed,
        layout=predict.Layout(scales=args.scales),
        tell=talk.note,
    )
    blob, exported = export_model(model, args)
    signature = _signature(args, model, exported, len(blob))
    atomic.write_bytes(out / ARTEFACT, blob)
    atomic.write_text(out / SIGNATURE, json.dumps(signature, indent=1) + "\n")
    atomic.write_text(out / EXAMPLE, _EXAMPLE)
    if args.json:
        print(json.dumps(signature))
    else:
        print(f"{out / ARTEFACT}: {len(blob) / 1e6:.1f} MB for {', '.join(exported.platforms)}")
    return 0


def export_model(model: Any, args: argparse.Namespace) -> tuple[bytes, Any]:
    """Returns the serialised function of frames (b, f, h, w, 3) in [0, 1], and jax's Exported.

    It gives float32 flow (b, f-1, h, w, 2); padding to the network's multiple is inside.
    """
    import jax
    import jax.numpy as jnp
    from jax import export

    frames = jax.ShapeDtypeStruct((args.batch, model.config.frames, *args.size, 3), jnp.float32)
    platforms = _platforms(args.platforms)
    exported = export.export(jax.jit(_function(model, args)), platforms=platforms)(frames)
    return bytes(exported.serialize()), exported


def _platforms(text):
    """Returns the platforms of a comma-separated list, None for this machine's."""
    platforms = tuple(filter(None, text.split(",")))
    for name in platforms:
        if name not in PLATFORMS:
            known = errors.nearest(name, PLATFORMS)
            raise errors.UserError(f"--platforms {name}", "is unknown", known)
    return platforms or None


def _function(model, args):
    import jax

    from daflow_jax import predict
    from daflow_jax.ops import scales
    from daflow_jax.predict.flow import coarse_to_fine

    estimator = model.estimator(args.iters, False, args.denoise_steps, args.tap_step)
    variables, seed = jax.device_get(model.variables), model.seed
    apply = predict.network(model.module, estimator.options, model.runner.place)

    def flow(frames):
        found = None
        for size in (*coarse_to_fine.sizes(args.size, model.scales), args.size):
            found = at(scales.images_at(frames, size), found)
        return found

    def at(frames, before):
        """Returns the flow of frames, begun from that of smaller ones."""
        height, width = frames.shape[2:4]
        around = predict.fit((height, width), model.config.multiple)
        start = ()
        if before is not None:
            start = (scales.start_of(_padded(scales.flow_at(before, (height, width)), around)),)
        with jax.default_matmul_precision(model.runner.precision or "default"):
            padded = _padded(frames, around)
            flows, _ = apply(variables, jax.random.key(seed), padded, *start)
        rows, columns = (
            slice(around.top, around.top + height),
            slice(around.left, around.left + width),
        )
        return flows[-1][:, :, rows, columns, :2]

    return flow


def _padded(images, around):
    import jax.numpy as jnp

    widths = ((0, 0), (0, 0), tuple(around[:2]), tuple(around[2:]), (0, 0))
    return jnp.pad(images, widths, mode="edge")


def _signature(args, model, exported, size):
    frames, flow = exported.in_avals[0], exported.out_avals[0]
    return {
        "schema": 1,
        "format": args.format,
        "model": {"name": model.name, "sha256": model.meta.get("sha256")},
        "iters": args.iters or model.iters,
        "scales": list(model.scales),
        "precision": args.precision,
        "platforms": list(exported.platforms),
        "bytes": size,
        "inputs": [
            {
                "name": "frames",
                "shape": list(frames.shape),
                "dtype": str(frames.dtype),
                "axes": "batch, frame, height, width, RGB",
                "range": [0, 1],
            }
        ],
        "outputs": [
            {
                "name": "flow",
                "shape": list(flow.shape),
                "dtype": str(flow.dtype),
                "axes": "batch, pair, height, width, (dx right, dy down)",
                "unit": "pixels, frame k to k+1 on the grid of frame k",
            }
        ],
        "daflow": __version__,
        "calling_convention_version": exported.calling_convention_version,
    }
