"""The inputs of `daflow degrade`, sequences and pairs: what each becomes, and the work itself."""

import argparse
import contextlib
import functools
import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax import errors
from daflow_jax.cli import console, degrade_recipes, sources

_CLIP_BYTES = 3e8  # [choice] float32 frames held at once; a codec starts anew after them


class Clip:
    """A sequence of frames. length: of it, where known. shown: what a person is told was made."""

    def __init__(self, sequence: Any, args: argparse.Namespace):
        self._sequence, self._args = sequence, args
        self.name, self.length, self.inputs = sequence.name, sequence.length, sequence.paths
        place = Path(args.out) / sequence.name
        film = place.parent / f"{place.name}.mp4"
        self.shown = film if sequence.kind == "video" else place
        names = sequence.names or ()
        self.targets = [place / f"{name}.png" for name in names] or [film]

    def work(self, recipe: Any, log: console.Console) -> errors.UserError | None:
        """Returns what ended the clip early, or None, after writing its degraded frames."""
        from daflow_jax import outputs
        from daflow_jax.io import video

        sequence, args = self._sequence, self._args
        sources.note_interlaced(sequence, args, log)
        damage, count = [], 0
        files = outputs.FrameFiles(
            self.shown,
            sequence.fps or 25,
            sequence.names,
            sources.existing(args),
            sources.sound(sequence),
        )
        frames: Any = video.prefetched(sequence.timed(args.deinterlace, damage.append))
        progress = console.Progress(log, self.name, "frames", self.length)
        with contextlib.closing(frames), progress, files:
            pixels, stamps = video.split(frames)
            for frame in degraded(pixels, recipe):
                files.write(frame, next(stamps))
                progress.step()
                count += 1
            if not count:
                raise damage[0].error() if damage else errors.UserError(self.name, "no frame")
        if files.note:
            log.note(files.note)
        return sources.damaged(damage)


class Pair:
    """A folder of a pair. The attributes are those of `Clip`."""

    length = 4

    def __init__(self, root: str, folder: Path, args: argparse.Namespace):
        from daflow_jax.io import image

        inside = folder.relative_to(root)
        self.shown = Path(args.out) / inside
        self.name = inside.as_posix() if inside.parts else folder.absolute().name
        self._folder, self._args = folder, args
        self.inputs = sorted(path for path in folder.iterdir() if path.is_file())
        frames = (path for path in self.inputs if path.stem.startswith("frame"))
        self._frames = [path for path in frames if image.is_image(path)]
        self.targets = [self.shown / f"{path.stem}.png" for path in self._frames]

    def work(self, recipe: Any, log: console.Console) -> None:
        """Writes the pair with frame* degraded, clean* as they were, everything else copied."""
        from daflow_jax.datasets import pairs_folder
        from daflow_jax.io import image

        del log
        meta = dict(pairs_folder.read_meta(self._folder))
        pictures = self._read()
        flow = self._true_flow() if recipe.needs_flow else None
        worse = degraded(pictures, recipe, flow)
        for path, frame in zip(self.targets, worse, strict=True):
            self._write(path, functools.partial(image.write_image, pixels=frame))
        others = [path for path in self.inputs if path not in self._frames]
        copies = {path: self.shown / path.name for path in others if path.name != "meta.json"}
        clean = {p: self.shown / f"clean{p.stem[5:]}{p.suffix}" for p in self._frames}
        if not any(path.stem.startswith("clean") for path in others):
            copies |= clean
        for source, path in copies.items():
            self._write(path, functools.partial(_copy, source=source))
        meta["frames"] = {path.stem: path.name for path in self.targets}
        args, level = self._args, degrade_recipes.severity(self._args)
        meta["degradation"] = {"recipe": args.recipe, "level": level, "seed": args.seed}
        meta["clean"] = next(clean[path].name for path in clean if path.stem == "frame1")
        self._write(self.shown / "meta.json", functools.partial(_save, meta=meta))

    def _write(self, path: Path, write: Callable[[Path], Any]) -> None:
        from daflow_jax.outputs import targets

        if targets.is_wanted(path, sources.existing(self._args)):
            write(path)

    def _read(self) -> list[np.ndarray]:
        from daflow_jax.io import image

        for name in ("frame1", "frame2"):
            if name not in (path.stem for path in self._frames):
                rule = f"has no picture {name}, or only a link to one that is gone"
                raise errors.UserError(self._folder, rule, "A pair has frame1 and frame2")
        pictures = [image.read_image(path) for path in self._frames]
        first = pictures[0].shape
        for path, picture in zip(self._frames, pictures, strict=True):
            if picture.shape[:2] != first[:2]:
                rule = f"{picture.shape[1]}x{picture.shape[0]} but {self._frames[0].name} is "
                rule += f"{first[1]}x{first[0]}; frames of a pair share a size"
                raise errors.UserError(path, rule, "Resize it")
        return pictures

    def _true_flow(self) -> np.ndarray | None:
        """Returns the pair's flow, lent to the neighbouring frames too, 0 where it is not known."""
        from daflow_jax.io import flow as flow_files

        for path in self.inputs:
            if path.stem == "flow":
                flow, valid = flow_files.read_flow(path)
                known = np.where(valid[..., None], np.nan_to_num(flow), 0)
                return np.repeat(known[None], len(self._frames) - 1, 0)
        return None


def _copy(path: Path, source: Path) -> None:
    from daflow_jax.io import atomic

    with atomic.replacing(path) as part:
        shutil.copyfile(source, part)


def _save(path: Path, meta: dict[str, Any]) -> None:
    from daflow_jax.io import atomic

    atomic.write_text(path, json.dumps(meta, indent=1))


def degraded(
    frames: Iterable[np.ndarray], recipe: Any, flow: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yields degraded uint8 frames, holding one piece of the clip at a time (all, with a flow)."""
    from daflow_jax.degrade import pipeline

    frames, start = iter(frames), 0
    for first in frames:
        count = len(flow) + 1 if flow is not None else _at_once(first)
        held = [first, *itertools.islice(frames, count - 1)]
        piece = np.stack([(f >> 8).astype(np.uint8) if f.dtype == np.uint16 else f for f in held])
        yield from pipeline.apply(recipe, piece, start, flow)
        start += len(held)


def _at_once(frame: np.ndarray) -> int:
    return int(np.clip(_CLIP_BYTES / (4 * frame.size), 2, 250))
