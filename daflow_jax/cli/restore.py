"""`daflow restore`: restored frames of images, folders and videos."""

import argparse
import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax import errors
from daflow_jax.cli import call_options, console, options, sources
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
    sources.add_reading(parser)
    parser.add_argument(
        "--format", choices=("auto", "png", "mp4"), default="auto", help="as the input (auto)"
    )
    options.add_common(parser, "daflow_restored")
    options.add_keep(parser)
    options.add_model(parser, "restoration", default=None)
    group = parser.add_argument_group("clips")
    group.add_argument(
        "--window",
        type=options.at_least(1, 4096),
        metavar="F",
        help="frames at once (the model's own)",
    )
    group.add_argument(
        "--color-fix", choices=tuple(COLOR_FIXES), default="none", help="colours of the input"
    )


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing frames and the manifest."""
    from daflow_jax import outputs
    from daflow_jax.datasets import sequences
    from daflow_jax.io import protected

    settings = {"window": args.window, "color_fix": args.color_fix}
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
    with protected.protecting(inputs), _manifest(args, model) as manifest:
        for sequence in found:
            files = list(_expected([sequence], args))
            if args.skip_existing and all(file.exists() for file in files):
                manifest.keep_or_add(sequence, len(files))
            else:
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
    names = ("window", "color_fix", "format", "stored_orientation", "deinterlace")
    chosen = {name: getattr(args, name) for name in names}
    chosen |= call_options.record(args, model)
    return manifests.Manifest(args, record, chosen, ("frames", "frames"))


def _target(sequence, args) -> Path:
    """Returns the video that a sequence becomes, or the folder of its pictures."""
    place = Path(args.out) / sequence.name
    if args.format == "png" or (args.format == "auto" and sequence.kind != "video"):
        return place
    return place.parent / f"{place.name}.mp4"


def _files(sequence, args):
    from daflow_jax import outputs

    return outputs.FrameFiles(
        _target(sequence, args),
        sequence.fps or 25,
        sequence.names,
        sources.existing(args),
        sources.sound(sequence),
    )


def _expected(found, args) -> Iterator[Path]:
    """Yields the files that sequences are going to have; of a video as pictures the first one."""
    for sequence in found:
        files, target = _files(sequence, args), _target(sequence, args)
        count = len(sequence.names) if sequence.names is not None else 1
        yield from [target] if files.is_video else map(files.path, range(count))


def _sequence(
    sequence, model, settings, args, log
) -> tuple[dict[str, Any], errors.UserError | None]:
    """Returns the entry of one sequence, and what ended it early, after writing its frames."""
    from daflow_jax.io import video

    sources.note_interlaced(sequence, args, log)
    begun, count, damage, error = time.monotonic(), 0, [], None
    frames: Any = video.prefetched(sequence.timed(args.deinterlace, damage.append))
    progress = console.Progress(log, sequence.name, "frames", sequence.length)
    with contextlib.closing(frames), progress, _files(sequence, args) as files:
        try:
            for frame, stamp in _restored(frames, model, settings, sequence.name):
                files.write(frame, stamp)
                progress.step()
                count += 1
        except errors.UserError as caught:
            if caught.code == 3 or not count:
                raise
            error = caught
        if not count:
            raise damage[0].error() if damage else errors.UserError(sequence.name, "no frame")
    if files.note:
        log.note(files.note)
    entry = {
        "frames": count,
        "seconds": round(time.monotonic() - begun, 3),
        "outputs": [str(path) for path in files.written],
    }
    if damage:
        entry["damage"] = [str(place) for place in damage]
    return entry, error or sources.damaged(damage)


def _restored(frames: Iterable[Any], model, settings, name) -> Iterator[tuple[np.ndarray, Any]]:
    """Yields restored frames, uint8, with their stamps; no window reaches across missing frames."""
    from daflow_jax.io import video

    for stretch in video.runs(frames):
        pixels, stamps = video.split(stretch)
        for frame in model.stream(pixels, where=name, **settings):
            yield np.rint(255 * frame).astype(np.uint8), next(stamps)
