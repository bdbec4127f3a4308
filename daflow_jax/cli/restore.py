"""`daflow restore`: restored frames of images, folders and videos."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daflow_jax import DEFAULT_MODEL
from daflow_jax.cli import call_options, console, options, restore_files, sources, values
from daflow_jax.cli import manifest as manifests

_DESCRIPTION = """\
Writes restored frames: .png for images, .mp4 of high quality with the sound and the times of the
input for videos; a model of scale 4 makes them four times as large. The model is a restorer, or one
that holds a restorer (DA-Flow's backbone). Frames of a clip are restored in windows that see each
other; recurrent networks carry their state on. --skip-existing goes on with an interrupted run.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "restore",
        help="restore images, folders and videos with a trained restorer",
        description=_DESCRIPTION,
        **options.examples(
            "daflow restore old.mp4 --model realesrgan --guide --compare",
            "daflow restore old.mp4 --model basicvsr --formats video,png",
            "daflow restore clip/ --model runs/lift/export/best",
            "daflow restore bad.png --model dit4sr_f --steps 40 --guidance 8"
            " --prompt good_text.pt good_pooled.pt --color-fix adain",
        ),
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="images, folders, globs, videos, or @list.txt"
    )
    parser.add_argument("--recursive", action="store_true", help="also folders inside folders")
    sources.add_reading(parser)
    parser.add_argument(
        "--formats",
        "--format",
        type=_formats,
        default=("auto",),
        metavar="LIST",
        help="of auto (as the input), video and png: video,png",
    )
    parser.add_argument(
        "--compare", action="store_true", help="also input and result side by side: NAME_compare"
    )
    options.add_common(parser, "daflow_restored")
    options.add_keep(parser)
    options.add_model(parser, "restoration", default=None)
    _add_clips(parser)


def _add_clips(parser: argparse.ArgumentParser) -> None:
    from daflow_jax.predict import COLOR_FIXES

    group = parser.add_argument_group("clips")
    group.add_argument(
        "--window",
        type=_window,
        metavar="F|all",
        help="frames at once (the model's own); all: memory grows with the clip",
    )
    group.add_argument(
        "--ahead",
        type=options.at_least(0, 4096),
        metavar="F",
        help="frames after a window that recurrent models look at (the model's own)",
    )
    group.add_argument(
        "--tile",
        type=values.tile,
        default="auto",
        metavar="auto|off|HxW",
        help="cut large frames, of models that allow it (auto: where memory is short)",
    )
    group.add_argument(
        "--color-fix", choices=tuple(COLOR_FIXES), default="none", help="colours of the input"
    )
    group.add_argument(
        "--guide",
        type=_weight,
        nargs="?",
        const=0.7,
        metavar="W",
        help="less flicker of models that see single frames: follow the last result, moved by "
        "flow, with this weight below 1 (0.7)",
    )
    text = f"flow model of --guide ({DEFAULT_MODEL})"
    group.add_argument("--guide-model", metavar="NAME|DIR", default=DEFAULT_MODEL, help=text)


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing frames and the manifest."""
    from daflow_jax import outputs
    from daflow_jax.datasets import sequences
    from daflow_jax.io import protected

    names = ("window", "ahead", "tile", "color_fix")
    settings = {name: getattr(args, name) for name in names}
    settings |= call_options.chosen(args, "restoration")
    found = sequences.resolve(args.inputs, recursive=args.recursive, least=1)
    inputs = sources.files(found, *args.inputs)
    outputs.check(_expected(found, args), inputs, sources.existing(args))
    options.start(args)
    log = console.Console(args.quiet)
    if found.note:
        log.note(found.note)
    model = options.load(args, args.model, log.note, "restoration")
    model.stream((), **settings)  # refuses what the model does not take before any file is read
    settings["guide"] = _guide(args, model, settings, log)
    with protected.protecting(inputs), _manifest(args, model) as manifest:
        for sequence in found:
            files = list(_expected([sequence], args))
            if args.skip_existing and all(file.exists() for file in files):
                manifest.keep_or_add(sequence, len(files))
            else:
                work = restore_files.Work(sequence, model, settings, args, log)
                manifest.add(sequence, work)
        return manifest.close()


def _guide(args, model, settings, log) -> Any:
    """Returns what guides the results, None if nobody asked for it."""
    if args.guide is None:
        return None
    from daflow_jax import api
    from daflow_jax.predict.restoration import guidance

    model.stream((), **settings, guide=guidance.Guide(None))  # refuses models that see neighbours
    placed = dict(device=args.device, precision=args.precision, log=log.note)
    return guidance.Guide(api.load(args.guide_model, "flow", **placed), args.guide)


def _manifest(args, model):
    names = ("window", "ahead", "tile", "color_fix", "guide", "stored_orientation", "deinterlace")
    chosen = {name: getattr(args, name) for name in names}
    chosen["guide_model"] = None if args.guide is None else args.guide_model
    chosen |= {"formats": list(args.formats), "compare": args.compare}
    chosen |= call_options.record(args, model)
    return manifests.Manifest(args, manifests.of_model(args, model), chosen, ("frames", "frames"))


def _expected(found, args) -> Iterator[Path]:
    """Yields the files that sequences are going to have; of a video as pictures the first one."""
    for sequence in found:
        for files in restore_files.files(sequence, args).values():
            yield from files.expected(sequence)


def _formats(text: str) -> tuple[str, ...]:
    known = {"auto": "auto", "png": "png", "video": "video", "mp4": "video"}
    found = tuple(dict.fromkeys(known.get(part, "") for part in text.split(",")))
    if "" in found or ("auto" in found and len(found) > 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not auto, video, png or video,png")
    return found


def _window(text: str) -> int | str:
    return text if text == "all" else options.at_least(1, 4096)(text)


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not 0 < weight < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and below 1")
    return weight
