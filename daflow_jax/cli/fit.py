"""`daflow fit`: the motion of a whole video, from which any point can be tracked."""

import argparse
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daflow_jax import errors
from daflow_jax.cli import call_options, console, options, sources
from daflow_jax.cli import manifest as manifests


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "fit",
        help="tracks of every point of a video, through occlusions",
        description=(
            "Fits one network to each video (OmniMotion), to the flow of many pairs of its frames "
            "by --model, and leaves a folder that any point can be asked of, in any frame: "
            "daflow_jax.load(DIR).track(points, frame). Writes the tracks of a grid of points "
            "(.npz) and a video of them. A run that was interrupted goes on with the same command."
        ),
        **options.examples(
            "daflow fit video.mp4",
            "daflow fit clip/ --side 128 --steps 10000 --gap 12",
            "daflow fit clip/ --preset omnimotion --side 256 --steps 100000 --speed 1 "
            "--batch-points 8x256",
        ),
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="folders, globs, videos, @list.txt")
    parser.add_argument("--recursive", action="store_true", help="also folders inside folders")
    sources.add_reading(parser)
    options.add_common(parser, "daflow_tracks")
    options.add_keep(parser)
    _add_fit(parser.add_argument_group("fit"))
    options.add_model(parser)
    options.add_layout(parser)


def _add_fit(fit: argparse._ActionsContainer) -> None:
    text = "the network: omnimotion-nano, or omnimotion as published (omnimotion-nano)"
    fit.add_argument("--preset", default="omnimotion-nano", metavar="NAME", help=text)
    count = options.at_least(1)
    fit.add_argument("--steps", type=count, default=2000, metavar="N", help="of the fit (2000)")
    text = "longer side of the frames that are fitted, pixels (96)"
    fit.add_argument("--side", type=options.at_least(16, 4096), default=96, metavar="PX", help=text)
    text = "frames apart of the farthest pairs (8)"
    fit.add_argument("--gap", type=count, default=8, metavar="N", help=text)
    text = "points a step: pairs of frames, and points of each (8x64; published: 8x256)"
    size = options.width_by_height
    fit.add_argument("--batch-points", type=size, default=(8, 64), metavar="PxN", help=text)
    text = "rates of descent, times the published ones of 100,000 steps (10)"
    fit.add_argument("--speed", type=float, default=10.0, metavar="X", help=text)
    text = "points of the written tracks on the longer side (24)"
    fit.add_argument("--grid", type=options.at_least(1, 512), default=24, metavar="N", help=text)
    text = "the frame in which they lie on the grid (0)"
    fit.add_argument("--frame", type=options.at_least(0), default=0, metavar="K", help=text)


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing tracks and the manifest."""
    from daflow_jax import models, outputs
    from daflow_jax.datasets import sequences
    from daflow_jax.io import protected

    if not 0 < args.speed <= 1000:
        raise errors.UserError(f"--speed {args.speed:g}", "is not above 0, up to 1000", "Use 10")
    config = models.preset(args.preset)
    if models.entry_of(config).kind != "tracks":
        rule, known = "is not a network of tracks", models.entries("tracks")
        names = [name for entry in known for name in entry.presets]
        raise errors.UserError(f"--preset {args.preset}", rule, errors.nearest("", names))
    sources.refuse_stdin(args.inputs)
    found = sequences.resolve(args.inputs, recursive=args.recursive)
    inputs = sources.files(found, *args.inputs)
    outputs.check(_expected(found, args), inputs, sources.existing(args))
    options.start(args)
    log = console.Console(args.quiet)
    if found.note:
        log.note(found.note)
    model = options.load(args, args.model, log.note)
    with protected.protecting(inputs), _manifest(args, model) as manifest:
        for sequence in found:
            manifest.add(sequence, _Work(sequence, model, config, args, log))
        return manifest.close()


def _manifest(args, model):
    names = "preset steps side gap batch_points speed grid frame max_size tile bucket".split()
    chosen: dict[str, Any] = {name: getattr(args, name) for name in names}
    chosen |= call_options.record(args, model)
    return manifests.Manifest(args, manifests.of_model(args, model), chosen, ("points", "tracks"))


def _places(sequence, args) -> tuple[Path, Path, Path]:
    """Returns the model folder of a sequence, its tracks, and their video."""
    place = Path(args.out) / sequence.name
    tracks, film = (place.parent / f"{place.name}_tracks{x}" for x in (".npz", ".mp4"))
    return place, tracks, film


def _expected(found, args) -> Iterator[Path]:
    for sequence in found:
        folder, tracks, film = _places(sequence, args)
        yield from (folder / "config.json", tracks, film)


class _Work:
    """Called, it fits one sequence; returns its entry and what ended it early."""

    def __init__(self, sequence, model, config, args, log):
        self._sequence, self._model, self._config = sequence, model, config
        self._args, self._log = args, log

    def __call__(self) -> tuple[dict[str, Any], errors.UserError | None]:
        from daflow_jax import api
        from daflow_jax.outputs import track_files

        sequence, args, begun = self._sequence, self._args, time.monotonic()
        sources.note_interlaced(sequence, args, self._log)
        folder, tracks, film = _places(sequence, args)
        work = folder.parent / f"{folder.name}_fit"
        if args.overwrite:
            shutil.rmtree(work, ignore_errors=True)
        if not (folder / "config.json").exists() or args.overwrite:
            api.save(self._fitted(work), folder)
        motion = api.load(folder, "tracks", device=args.device)
        points = track_files.grid(motion.config.source, args.grid)
        found = motion.track(points, args.frame)
        track_files.save(tracks, found.positions, found.visible, found.hidden, args.frame)
        frames = sequence.timed(args.deinterlace)
        given = found.positions, found.visible, sequence.fps, sources.existing(args)
        track_files.write_video(film, frames, *given)
        shutil.rmtree(work, ignore_errors=True)  # flow and state, no longer needed
        made = [folder / "config.json", tracks, film]
        entry = {
            "points": len(points),
            "frames": motion.config.frames,
            "seconds": round(time.monotonic() - begun, 3),
            "outputs": [str(path) for path in made],
        }
        return entry, None

    def _fitted(self, work: Path) -> Any:
        """Returns the network fitted to the sequence, with what lies in the work folder."""
        from daflow_jax import api
        from daflow_jax.fitting import reduced
        from daflow_jax.fitting.tracks import fit, pair_flow

        sequence, args = self._sequence, self._args
        frames = (frame.pixels for frame in sequence.timed(args.deinterlace))
        clip = reduced.read(frames, args.side, sequence.name)
        self._check_frame(len(clip.frames))
        count = len(pair_flow.pairs_within(len(clip.frames), args.gap)) // 2
        chosen = call_options.chosen(args, "flow")
        with console.Progress(self._log, sequence.name, "pairs of frames", count) as progress:
            flow = pair_flow.estimate(clip, self._model, args.gap, work, progress.step, **chosen)
        fit.check_motion(flow, sequence.name)
        pairs, points = args.batch_points
        settings = fit.Settings(args.steps, pairs, points, args.speed, args.seed)
        config = fit.sized(self._config, clip)
        with console.Progress(self._log, sequence.name, "steps", args.steps) as progress:
            given = clip, flow, config, settings, work, self._log.note, progress.step
            variables = fit.fit(*given)
        meta = {
            "name": sequence.name,
            "training": {"flow": self._model.name, **settings._asdict(), "frames": clip.digest},
        }
        return api.TrackModel(config, variables, meta=meta, device=args.device)

    def _check_frame(self, count: int) -> None:
        if self._args.frame >= count:
            rule = f"the clip has frames 0 to {count - 1}"
            raise errors.UserError(f"--frame {self._args.frame}", rule, "Use one of them")
