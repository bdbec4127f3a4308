"""`daflow restore`: restored frames of images, folders and videos."""

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from daflow_jax.cli import call_options, console, options
from daflow_jax.cli import manifest as manifests


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    from daflow_jax.predict import COLOR_FIXES

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
    options.add_model(parser, "restoration", default=None)
    group = parser.add_argument_group("clips")
    group.add_argument(
        "--window", type=options.at_least(1), metavar="F", help="frames at once (the model's own)"
    )
    group.add_argument(
        "--color-fix", choices=tuple(COLOR_FIXES), default="none", help="colours of the input"
    )


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing frames and the manifest."""
    from daflow_jax.datasets import sequences

    settings = {"window": args.window, "color_fix": args.color_fix}
    settings |= call_options.chosen(args, "restoration")
    found = sequences.resolve(args.inputs, recursive=args.recursive, least=1)
    if not (args.overwrite or args.skip_existing):
        for sequence in found:
            _refuse_existing(sequence, args)
    options.start(args)
    log = console.Console(args.quiet)
    if found.note:
        log.note(found.note)
    model = options.load(args, args.model, log.note, "restoration")
    model.stream((), **settings)  # refuses what the model does not take before any file is read
    manifest = _manifest(args, model)
    for sequence in found:
        manifest.add(sequence, lambda s=sequence: _sequence(s, model, settings, args, log))
    return manifest.close()


def _manifest(args, model):
    record = {
        "name": model.name,
        "sha256": model.meta.get("sha256"),
        "precision": args.precision,
        "seed": args.seed,
        "device": str(model.device),
    }
    chosen = {name: getattr(args, name) for name in ("window", "color_fix", "format")}
    chosen |= call_options.record(args, model)
    return manifests.Manifest(args, record, chosen, ("frames", "frames"))


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


def _sequence(sequence, model, settings, args, log) -> dict:
    """Returns the record of one sequence after writing its frames."""
    begun = time.monotonic()
    target = _video_target(sequence, args)
    with console.Progress(log, sequence.name, "frames", sequence.length) as progress:
        restored = model.stream(sequence.frames(), where=sequence.name, **settings)
        frames = _pictures(restored, progress)
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
