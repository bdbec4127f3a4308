"""`daflow restore`: restored frames of images, folders and videos."""

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from daflow_jax.cli import console, options
from daflow_jax.cli import manifest as manifests


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "restore",
        help="restore images, folders and videos with a trained restorer",
        description=(
            "Writes restored frames at the size of the input: .png for images, .mp4 of high "
            "quality for videos. The model is a restorer, or a DA-Flow model, whose backbone is "
            "one. Frames of a clip are restored in windows that see each other."
        ),
        **options.examples(
            "daflow restore clip/ --model runs/lift/export/best",
            "daflow restore video.mp4 --model my_restorer --steps 4 --color-fix wavelet",
            "daflow restore bad.png --model dit4sr_f --steps 40 --guidance 8"
            " --prompt good_text.pt good_pooled.pt --color-fix adain",
        ),
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="images, folders, globs, videos, or @list.txt"
    )
    parser.add_argument("--recursive", action="store_true", help="also folders inside folders")
    parser.add_argument(
        "--format", choices=("auto", "png", "mp4"), default="auto", help="as the input (auto)"
    )
    options.add_common(parser, "daflow_restored")
    options.add_keep(parser)
    _add_model(parser.add_argument_group("model"))


def _add_model(group):
    from daflow_jax.predict import COLOR_FIXES

    group.add_argument("--model", metavar="NAME|DIR", required=True, help="name or model folder")
    options.add_device(group)
    group.add_argument(
        "--steps", type=options.at_least(1), default=1, metavar="N", help="denoising steps (1)"
    )
    group.add_argument(
        "--window", type=options.at_least(1), metavar="F", help="frames at once (the model's own)"
    )
    group.add_argument(
        "--color-fix", choices=tuple(COLOR_FIXES), default="none", help="colours of the input"
    )
    group.add_argument(
        "--guidance", type=float, default=1.0, metavar="G", help="away from --negative (1: off)"
    )
    for name, text in (("--prompt", "leads to"), ("--negative", "leads away from")):
        group.add_argument(
            name,
            nargs=2,
            metavar=("TEXT", "POOLED"),
            help=f"encoded prompt that guidance {text}: .npy, .pt or .safetensors (the empty one)",
        )


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing frames and the manifest."""
    from daflow_jax.datasets import sequences
    from daflow_jax.predict import RestoreOptions

    chosen = RestoreOptions(args.steps, args.guidance, args.color_fix, args.window)
    chosen.check(args.prompt is not None)
    prompts = {
        name: None if files is None else _prompt(files)
        for name, files in (("prompt", args.prompt), ("negative", args.negative))
    }
    found = sequences.resolve(args.inputs, recursive=args.recursive, least=1)
    if not (args.overwrite or args.skip_existing):
        for sequence in found:
            _refuse_existing(sequence, args)
    talk = console.Console(args.quiet)
    if found.note:
        talk.note(found.note)
    restorer = _load(args, chosen, prompts, talk)
    manifest = _manifest(args, restorer)
    for sequence in found:
        manifest.add(sequence, lambda s=sequence: _sequence(s, restorer, args, talk))
    return manifest.close()


def _prompt(files):
    from daflow_jax.convert import checkpoint

    parts = []
    for file in files:
        checkpoint.read_one(file)  # refuses a file of several arrays
        (array,) = checkpoint.read(file).values()
        array = np.asarray(array, np.float32)
        parts.append(array[0] if array.ndim > 1 and len(array) == 1 else array)
    return tuple(parts)


def _load(args, chosen, prompts, talk):
    from daflow_jax import api

    options.start(args)
    placed = dict(device=args.device, precision=args.precision, seed=args.seed)
    return api.load_restorer(args.model, chosen, **prompts, **placed, tell=talk.note)


def _manifest(args, restorer):
    model = {
        "name": restorer.meta.get("name"),
        "sha256": restorer.meta.get("sha256"),
        "precision": args.precision,
        "seed": args.seed,
        "device": str(restorer.device),
    }
    names = ("steps", "window", "color_fix", "guidance", "prompt", "negative", "format")
    chosen = {name: getattr(args, name) for name in names}
    return manifests.Manifest(args, model, chosen, ("frames", "frames"))


def _video_target(sequence, args) -> Path | None:
    """Returns the video that a sequence becomes, None if it becomes pictures."""
    if args.format == "png" or (args.format == "auto" and sequence.kind != "video"):
        return None
    place = Path(args.out) / sequence.name
    return place.parent / f"{place.name}.mp4"


def _picture_targets(sequence, args) -> Iterator[Path]:
    names = sequence.names or (f"{index:06d}" for index in itertools.count())
    return (Path(args.out) / sequence.name / f"{name}.png" for name in names)


def _refuse_existing(sequence, args):
    """Raises UserError, before any work, if a result exists."""
    from daflow_jax.cli import outputs

    known = len(sequence.names) if sequence.names is not None else 1
    video = _video_target(sequence, args)
    pictures = itertools.islice(_picture_targets(sequence, args), known)
    targets = pictures if video is None else [video]
    for target in targets:
        outputs.refuse_existing(target)


def _sequence(sequence, restorer, args, talk) -> dict:
    """Returns the record of one sequence after writing its frames."""
    begun = time.monotonic()
    target = _video_target(sequence, args)
    with console.Progress(talk, sequence.name, "frames", sequence.length) as progress:
        frames = _pictures(restorer.stream(sequence.frames(), sequence.name), progress)
        if target is None:
            written = _write_pictures(frames, _picture_targets(sequence, args))
            count = len(written)
        else:
            written = [target]
            count = _write_video(frames, target, sequence.fps or 25.0)
    return {
        "input": sequence.name,
        "frames": count,
        "seconds": round(time.monotonic() - begun, 3),
        "outputs": [str(path) for path in written],
    }


def _pictures(frames, progress) -> Iterator[np.ndarray]:
    """Yields frames as uint8."""
    for frame in frames:
        yield np.rint(255 * frame).astype(np.uint8)
        progress.step()


def _write_pictures(frames, targets) -> list[Path]:
    from daflow_jax.io import image

    written = []
    for frame, target in zip(frames, targets, strict=False):
        image.write_image(target, frame)
        written.append(target)
    return written


def _write_video(frames, target, fps) -> int:
    from daflow_jax.io import video

    first, count = next(frames), 0
    with video.Writer(target, fps, first.shape[:2], crf=8) as writer:
        for frame in itertools.chain([first], frames):
            writer.write(frame)
            count += 1
    return count
