"""daflow degrade: images, folders, videos or a pairs folder, degraded by a recorded recipe."""

import argparse
import functools
import itertools
import json
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from daflow_jax import errors
from daflow_jax.cli import console, options

_CLIP_BYTES = 3e8  # [choice] float32 frames held at once; a codec starts anew after them
_FRAMES = 300  # [choice] frames that parameters are drawn for at most; longer clips repeat them


def add_parser(subparsers) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "degrade",
        help="degrade images, folders, videos or pairs by a recorded recipe",
        description=(
            "Writes the same tree with degraded frames (.png, videos as .mp4 of high quality) and "
            "recipe.json, which --recipe takes to repeat the run to the same frames. In a pairs "
            "folder the original frames stay beside as clean1, clean2. The published pipelines "
            "realbasicvsr, star, dit4sr, dit4sr_online draw from their whole ranges, or with "
            "--severity from a part of them."
        ),
        **options.examples(
            "daflow degrade clip/ --recipe h264_compression --severity 4",
            "daflow degrade video.mp4 --recipe low_light --out dark",
            "daflow degrade pairs/ --recipe realbasicvsr --seed 7 --out pairs_bad",
        ),
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="images, folders, globs, videos")
    parser.add_argument(
        "--recipe",
        default="realbasicvsr",
        metavar="NAME|FILE",
        help="(realbasicvsr) a pipeline, a corruption (a wrong name lists all) or a recipe.json",
    )
    parser.add_argument(
        "--severity",
        "--level",
        type=float,
        metavar="S",
        help="1 mild to 5 severe (3; published pipelines: their whole range)",
    )
    parser.add_argument(
        "--consistent-in-time",
        action=argparse.BooleanOptionalAction,
        help="one draw of the parameters for all frames of a sequence, or one for each (what the "
        "recipe does by itself: star, dit4sr one for each)",
    )
    parser.add_argument("--recursive", action="store_true", help="also folders inside folders")
    options.add_common(parser, "daflow_degraded")
    options.add_keep(parser)


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing the frames and recipe.json: 5 if some inputs failed."""
    from daflow_jax.io import atomic

    log, book = console.Console(args.quiet), _Book(args)
    done, failures = {}, []
    for name, frames, work in _plan(args, log):
        recipe = book.recipe(name, frames)
        try:
            written = work(recipe)
        except errors.UserError as error:
            if error.code == 3:
                raise
            failures.append({"input": name, "error": str(error)})
            print(f"daflow: error: {error}", file=sys.stderr)
            continue
        done[name] = json.loads(recipe.to_json())
        if not args.json:
            print(written)
    record = {**book.head(), "sequences": done, "failures": failures}
    if done:
        atomic.write_text(Path(args.out) / "recipe.json", json.dumps(record, indent=1))
    if args.json:
        print(json.dumps({"out": args.out, **record}))
    return (5 if done else 2) if failures else 0


class _Book:
    """Which recipe each sequence gets: drawn from its name and the seed, or a stored one."""

    def __init__(self, args: argparse.Namespace):
        from daflow_jax.io import image

        self._args, self._stored = args, None
        if args.recipe.endswith(".json"):
            text = image.read_bytes(args.recipe).decode(errors="replace")
            try:
                self._stored = json.loads(text)
            except ValueError:
                rule = "not readable JSON"
                raise errors.UserError(args.recipe, rule, "Use the recipe.json of a run") from None
        self.recipe("")  # refuses an unknown name or severity before any work

    def head(self) -> dict:
        """Returns what recipe.json says about the whole run."""
        args = self._args
        return {
            "schema": 1,
            "recipe": args.recipe,
            "level": _severity(args),
            "mode": _mode(args),
            "seed": args.seed,
        }

    def recipe(self, name: str, frames: int | None = None):
        """Returns the recipe of the sequence `name`; parameters repeat after `frames`."""
        from daflow_jax.degrade import pipeline

        if self._stored is not None:
            return self._replay(name)
        rng = np.random.default_rng([self._args.seed, zlib.crc32(name.encode())])
        name, severity = self._args.recipe, _severity(self._args)
        frames = min(frames or _FRAMES, _FRAMES)
        return pipeline.named(name, severity, rng, frames, _mode(self._args))

    def _replay(self, name: str):
        from daflow_jax.degrade import pipeline

        stored = self._stored
        if isinstance(stored, dict) and "sequences" in stored:
            sequences = stored["sequences"]
            if name and name not in sequences:
                known = errors.nearest(name, sequences)
                raise errors.UserError(self._args.recipe, f"has no recipe for {name}", known)
            stored = sequences[name] if name else next(iter(sequences.values()))
        return pipeline.Recipe.from_json(json.dumps(stored))


def _severity(args: argparse.Namespace) -> float | int:
    """Returns the severity; 0 is the whole range of a published pipeline."""
    from daflow_jax.degrade import published

    if args.severity is not None:
        return args.severity
    return 0 if args.recipe in published.PIPELINES else 3


def _mode(args: argparse.Namespace) -> str | None:
    return {True: "clip", False: "frame", None: None}[args.consistent_in_time]


def _plan(args: argparse.Namespace, log: console.Console) -> Iterator[tuple]:
    """Yields name, number of frames (or None), and a function from a recipe to the written path, of
    every sequence and pair."""
    from daflow_jax.datasets import pairs_folder as pairs
    from daflow_jax.datasets import sequences

    others = []
    for text in args.inputs:
        folders = pairs.find_folders(text) if Path(text).is_dir() else []
        for folder in folders:
            inside = folder.relative_to(text)
            target = Path(args.out) / inside
            name = inside.as_posix() if inside.parts else folder.absolute().name
            yield name, 4, lambda recipe, f=folder, t=target: _pair(f, t, recipe, args)
        others += [] if folders else [text]
    if not others:
        return
    found = sequences.resolve(others, recursive=args.recursive, least=1)
    if found.note:
        log.note(found.note)
    for sequence in found:
        work = functools.partial(_sequence, sequence, args=args, log=log)
        yield sequence.name, sequence.length, work


def _sequence(sequence, recipe, args: argparse.Namespace, log: console.Console) -> Path:
    from daflow_jax.io import write_image

    place = Path(args.out) / sequence.name
    if sequence.kind == "video":
        return _video(sequence, place.parent / f"{place.name}.mp4", recipe, args, log)
    targets = [place / f"{name}.png" for name in sequence.names]
    if _is_kept(targets, args):
        return place
    worse = _degraded(sequence.frames(), recipe)
    with console.Progress(log, sequence.name, "frames", sequence.length) as progress:
        for target, frame in zip(targets, worse, strict=True):
            write_image(target, frame)
            progress.step()
    return place


def _video(sequence, target: Path, recipe, args: argparse.Namespace, log: console.Console) -> Path:
    from daflow_jax.io import video

    if _is_kept([target], args):
        return target
    worse = _degraded(sequence.frames(), recipe)
    first = next(worse)
    with (
        video.Writer(target, sequence.fps, first.shape[:2], crf=8) as writer,
        console.Progress(log, sequence.name, "frames", sequence.length) as progress,
    ):
        for frame in itertools.chain([first], worse):
            writer.write(frame)
            progress.step()
    return target


def _pair(folder: Path, target: Path, recipe, args: argparse.Namespace) -> Path:
    """Writes the pair with frame* degraded, clean* as they were, everything else copied."""
    from daflow_jax.io import atomic, image

    files = sorted(path for path in folder.iterdir() if path.is_file())
    frames = [path for path in files if path.stem.startswith("frame") and image.is_image(path)]
    targets = [target / f"{path.stem}.png" for path in frames]
    if _is_kept(targets, args):
        return target
    pictures = [image.read_image(path) for path in frames]
    flow = _true_flow(files, len(frames)) if recipe.needs_flow else None
    for path, frame in zip(targets, _degraded(pictures, recipe, flow), strict=True):
        image.write_image(path, frame)
    for path in files:
        if path not in frames:
            shutil.copyfile(path, target / path.name)
    clean = {path: target / f"clean{path.stem[5:]}{path.suffix}" for path in frames}
    if not any(path.stem.startswith("clean") for path in files):
        for path, copy in clean.items():
            shutil.copyfile(path, copy)
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    meta["frames"] = {path.stem: path.name for path in targets}
    meta["degradation"] = {"recipe": args.recipe, "level": _severity(args), "seed": args.seed}
    meta["clean"] = clean[next(path for path in frames if path.stem == "frame1")].name
    atomic.write_text(target / "meta.json", json.dumps(meta, indent=1))
    return target


def _true_flow(files: list[Path], frames: int) -> np.ndarray | None:
    """Returns the pair's flow, lent to the neighbouring frames too, 0 where it is not known."""
    from daflow_jax.io import flow as flow_files

    for path in files:
        if path.stem == "flow":
            flow, valid = flow_files.read_flow(path)
            known = np.where(valid[..., None], np.nan_to_num(flow), 0)
            return np.repeat(known[None], frames - 1, 0)
    return None


def _degraded(
    frames: Iterable[np.ndarray], recipe, flow: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yields degraded uint8 frames, holding one piece of the clip at a time (all, with a flow)."""
    from daflow_jax.degrade import pipeline

    frames, start = iter(frames), 0
    for first in frames:
        count = (
            int(np.clip(_CLIP_BYTES / (4 * first.size), 2, 250)) if flow is None else len(flow) + 1
        )
        held = [first, *itertools.islice(frames, count - 1)]
        piece = np.stack([(f >> 8).astype(np.uint8) if f.dtype == np.uint16 else f for f in held])
        yield from pipeline.apply(recipe, piece, start, flow)
        start += len(held)


def _is_kept(targets: list[Path], args: argparse.Namespace) -> bool:
    """Returns whether the results stand and shall stay; standing without leave is a `UserError`."""
    there = [path for path in targets if path.exists()]
    if args.skip_existing and len(there) == len(targets):
        return True
    if there and not (args.overwrite or args.skip_existing):
        raise errors.UserError(
            there[0], "exists", "Pass --overwrite, --skip-existing or another --out"
        )
    return False
