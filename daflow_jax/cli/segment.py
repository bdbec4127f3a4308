"""`daflow segment`: masks of what moves, from motion alone."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daflow_jax import errors
from daflow_jax.cli import call_options, console, options, sources
from daflow_jax.cli import manifest as manifests

FORMATS = ("masks", "overlay", "shares")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "segment",
        help="masks of what moves, from motion alone",
        description=(
            "Writes which mask every pixel belongs to, a picture a frame (0 = the largest mask of "
            "the clip), and an overlay video. No labels are used. Without --segmenter a small "
            "network is fitted to each clip by itself, so that the flow under every mask is one "
            "smooth motion (Guess What Moves); its masks keep their numbers through the clip, and "
            "it stays beside the results. With --segmenter a trained network sees single frames, "
            "and no flow is needed."
        ),
        **options.examples(
            "daflow segment video.mp4",
            "daflow segment clip/ --masks 3 --steps 800 --model raft-degraded",
            "daflow segment video.mp4 --segmenter runs/gwm/export/best",
        ),
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="folders, globs, videos, or @list.txt"
    )
    parser.add_argument("--recursive", action="store_true", help="also folders inside folders")
    sources.add_reading(parser)
    options.add_common(parser, "daflow_segments")
    options.add_keep(parser)
    text = f"of {','.join(FORMATS)} (masks,overlay)"
    parser.add_argument("--formats", default="masks,overlay", metavar="LIST", help=text)
    text = "a trained segmenter: its own masks, without flow or fit"
    parser.add_argument("--segmenter", metavar="NAME|DIR", help=text)
    fit = parser.add_argument_group("fit, without --segmenter")
    count = options.at_least(2, 12)
    fit.add_argument("--masks", type=count, default=4, metavar="K", help="how many (4)")
    count = options.at_least(1)
    fit.add_argument("--steps", type=count, default=400, metavar="N", help="of the fit (400)")
    text = "longer side of the frames that are fitted, pixels (96)"
    fit.add_argument("--side", type=options.at_least(32, 1024), default=96, metavar="PX", help=text)
    options.add_model(parser)
    options.add_layout(parser)


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing masks and the manifest."""
    from daflow_jax import outputs
    from daflow_jax.datasets import sequences
    from daflow_jax.io import protected

    args.formats = tuple(outputs.parse_formats(args.formats, FORMATS))
    sources.refuse_stdin(args.inputs)
    found = sequences.resolve(args.inputs, recursive=args.recursive)
    inputs = sources.files(found, *args.inputs)
    outputs.check(_expected(found, args), inputs, sources.existing(args))
    options.start(args)
    log = console.Console(args.quiet)
    if found.note:
        log.note(found.note)
    model = _model(args, log.note)
    with protected.protecting(inputs), _manifest(args, model) as manifest:
        for sequence in found:
            manifest.add(sequence, _Work(sequence, model, args, log))
        return manifest.close()


def _model(args: argparse.Namespace, log: Any) -> Any:
    """Returns the segmenter that is named, or the flow network that a fit needs."""
    if args.segmenter:
        return options.load(args, args.segmenter, log, "segmentation")
    return options.load(args, args.model, log)


def _manifest(args, model):
    chosen: dict[str, Any] = {name: getattr(args, name) for name in ("segmenter", "formats")}
    if not args.segmenter:
        names = ("masks", "steps", "side", "max_size", "tile", "bucket")
        chosen |= {name: getattr(args, name) for name in names} | call_options.record(args, model)
    return manifests.Manifest(args, manifests.of_model(args, model), chosen, ("frames", "masks"))


def _place(sequence, args) -> Path:
    return Path(args.out) / sequence.name


def _expected(found, args) -> Iterator[Path]:
    """Yields files that sequences are going to have."""
    for sequence in found:
        place = _place(sequence, args)
        if "overlay" in args.formats:
            yield place.parent / f"{place.name}_overlay.mp4"
        for name in sequence.names or ("000000",):
            if "masks" in args.formats:
                yield place / f"{name}.png"
            if "shares" in args.formats:
                yield place / f"{name}_shares.npy"


class _Work:
    """Called, it segments one sequence; returns its entry and what ended it early."""

    def __init__(self, sequence, model, args, log):
        self._sequence, self._model, self._args, self._log = sequence, model, args, log

    def __call__(self) -> tuple[dict[str, Any], errors.UserError | None]:
        from daflow_jax.outputs import mask_files

        sequence, args, begun = self._sequence, self._args, time.monotonic()
        sources.note_interlaced(sequence, args, self._log)
        if args.segmenter:
            segmenter, folder, clip = self._model, None, self._clip()
        else:
            segmenter, folder, clip = self._fitted()
        order = mask_files.by_area(segmenter, clip.frames)
        frames = sequence.timed(args.deinterlace)
        made = mask_files.write(
            frames, segmenter, order, _place(sequence, args), sequence.names, args.formats,
            sources.existing(args), sequence.fps,
        )  # fmt: skip
        entry = {
            "frames": made.frames,
            "shares": [round(share, 4) for share in made.shares],
            "seconds": round(time.monotonic() - begun, 3),
            "outputs": [str(path) for path in made.files],
        }
        return entry | ({"segmenter": str(folder)} if folder else {}), None

    def _clip(self):
        from daflow_jax.fitting import reduced

        config, name = self._model.config, self._sequence.name
        side = config.side or self._args.side
        frames = self._sequence.frames()
        return reduced.read(frames, side, name, least=1, multiple=config.multiple)

    def _fitted(self):
        """Returns a segmenter fitted to the sequence, its folder, and the small clip."""
        from daflow_jax import api, models
        from daflow_jax.fitting import masks

        sequence, args = self._sequence, self._args
        place = _place(sequence, args)
        folder = place.parent / f"{place.name}_segmenter"
        config = models.preset("mask-unet-nano", masks=args.masks, side=args.side)
        chosen = call_options.chosen(args, "flow")
        frames = (frame.pixels for frame in sequence.timed(args.deinterlace))
        given = self._model, args.side, config.multiple, sequence.name
        moving = masks.gather(frames, *given, **chosen)
        masks.check_motion(moving, sequence.name)
        state = folder.with_name(f"{folder.name}.npz")
        if args.overwrite:
            state.unlink(missing_ok=True)
        with console.Progress(self._log, sequence.name, "steps", args.steps) as progress:
            variables = masks.fit(
                moving, config, args.steps, args.seed, state, self._log.note, progress.step
            )
        meta = {"name": folder.name, "training": {"fitted_to": sequence.name, "steps": args.steps}}
        placed = dict(device=args.device, precision=args.precision, seed=args.seed)
        segmenter = api.SegmentationModel(config, variables, meta=meta, **placed)
        api.save(segmenter, folder)
        state.unlink(missing_ok=True)
        return segmenter, folder, moving.clip
