"""`daflow demo`: a degraded clip made on the spot, its flow, and how far off it is."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from daflow_jax import errors, viz
from daflow_jax.cli import call_options, console, options

_BASELINES = ("dis", "zero")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "demo",
        help="estimate flow of a degraded clip made on the spot, beside baselines",
        description="Needs no download: generates, degrades, estimates, prints the errors.",
        **options.examples(
            "daflow demo",
            "daflow demo --size 256x320 --degrade h264:4 --seed 7",
            "daflow demo --out my_demo --json",
        ),
    )
    options.add_common(parser, "daflow_demo")
    options.add_model(parser)
    options.add_layout(parser)
    parser.add_argument(
        "--size", type=options.size, default=(192, 256), metavar="HxW", help="of frames (192x256)"
    )
    parser.add_argument(
        "--degrade", default="combined:3", metavar="NAME:SEVERITY", help="(combined:3)"
    )
    parser.add_argument("--open", action="store_true", help="show the picture afterwards")


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing frames, flow, picture and summary.json."""
    from daflow_jax.evaluate import methods, scores

    begun = time.monotonic()
    degradation = _degradation(args)
    _refuse_others(Path(args.out))
    options.start(args)
    log = console.Console(args.quiet)
    model = options.load(args, args.model, log.note)
    compared = [
        methods.of_model(model, **call_options.chosen(args, "flow")),
        *map(methods.of_baseline, _BASELINES),
    ]
    clean, flow, valid, occluded = _clip(args)
    frames = degradation.apply(clean, args.seed, flow)
    estimates = {method.name: method(frames[0], frames[1]) for method in compared}
    epe = {
        name: scores.ratio(scores.pair_sums(estimate, flow, valid, occluded)["epe"])
        for name, estimate in estimates.items()
    }
    summary = {
        "schema": 1,
        "model": compared[0].record,
        "degradation": str(degradation),
        "size": list(args.size),
        "seed": args.seed,
        "epe": {name: None if x is None else round(x, 4) for name, x in epe.items()},
        "seconds": {method.name: round(method.seconds[0], 3) for method in compared},
        "total_seconds": round(time.monotonic() - begun, 1),
    }
    picture = _write(Path(args.out), clean, frames, flow, valid, estimates, summary)
    if args.json:
        print(json.dumps(summary))
    else:
        _print(summary, picture)
    if args.open:
        _open(picture)
    return 0


def _refuse_others(out: Path) -> None:
    """Raises UserError if frames lie in `out` that no demo wrote."""
    names = [f"{stem}{index}.png" for stem in ("clean", "frame") for index in (1, 2)]
    there = [out / name for name in names if (out / name).exists()]
    if there and not (out / "summary.json").is_file():
        raise errors.UserError(there[0], "exists, and no demo wrote it", "Choose another --out")


def _degradation(args):
    from daflow_jax.evaluate import degradations

    try:
        return degradations.parse(args.degrade)
    except errors.UserError as error:
        raise errors.UserError(f"--degrade {args.degrade}", error.rule, error.remedy) from None


def _clip(args):
    """Returns clean frames uint8 (2, h, w, 3), true flow, valid and occluded of the first pair."""
    from daflow_jax.synthetic import host, scene

    height, width = args.size
    config = scene.SceneConfig(
        frames=2,
        height=height,
        width=width,
        still_share=0.0,
        textures="procedural",  # photographs would need an optional package
        num_textures=12,
    )
    clip = host.clip(config, args.seed, 0)
    clean = np.rint(np.asarray(clip["hq"]) * 255).astype(np.uint8)
    occluded = clip["occlusion"][0] if "occlusion" in clip else None
    return clean, clip["flow"][0], clip["valid"][0], occluded


def _write(out, clean, frames, truth, valid, estimates, summary):
    """Returns the path of the contact sheet after writing everything."""
    from daflow_jax.evaluate import pictures
    from daflow_jax.io import atomic, flow, image

    for index, (good, bad) in enumerate(zip(clean, frames, strict=True), 1):
        image.write_image(out / f"clean{index}.png", good)
        image.write_image(out / f"frame{index}.png", bad)
    flow.write_flow(out / "truth.flo", truth, valid)
    scale = pictures.max_speed(truth, valid)
    wheels = [viz.flow_to_rgb(truth, scale, valid)]
    for name, estimate in estimates.items():
        flow.write_flow(out / f"{name}.flo", estimate)
        wheels.append(viz.flow_to_rgb(estimate, scale))
        image.write_image(out / f"{name}_wheel.png", wheels[-1])
    mistakes = [viz.error_to_rgb(e, truth, valid, max_error=scale) for e in estimates.values()]
    rows = [[clean[0], frames[0], frames[1], wheels[0]], wheels[1:], mistakes]
    image.write_image(out / "demo.png", viz.sheet(rows))
    atomic.write_text(out / "summary.json", json.dumps(summary, indent=1) + "\n")
    return out / "demo.png"


def _print(summary, picture):
    height, width = summary["size"]
    print(f"{height}x{width}, degraded by {summary['degradation']}; end-point error in pixels:")
    for name, score in summary["epe"].items():
        shown = "-" if score is None else f"{score:.3f}"
        print(f"  {name:<16} {shown:>7}   ({summary['seconds'][name]:.2f} s)")
    print(f"{picture}: clean frame, degraded frames, true flow; estimates; their errors")


def _open(picture):
    import subprocess

    opener = {"darwin": "open", "win32": "explorer"}.get(sys.platform, "xdg-open")
    try:
        subprocess.run([opener, str(picture)], check=False)
    except FileNotFoundError:
        raise errors.UserError(
            "--open", f"{opener} is not installed", f"Open {picture} yourself", 3
        ) from None
