"""Pseudo ground truth: flow that a model estimated, stored in a folder beside the clips it is of.

    OUT/labels.json                   source, its layout, the model, the rule of occlusion
    OUT/SPLIT/NAME.labels/
        clip.json                     frames, size, pixels lost, a checksum of the frames' files;
                                      written last: its clip is complete
        flow/000000.png               flow k -> k+1 in KITTI's form (steps of 1/64 px)
        flow_back/000000.png          flow k+1 -> k
        occlusion/000000.png          255 = cannot be seen in frame k+1
        occlusion_back/000000.png     255 = pixel of frame k+1 that cannot be seen in frame k

The frames stay where they are: `source` is a path relative to OUT, a URL where they lie in a
bucket, or an absolute path where labels and frames are not in one place.
"""

import dataclasses
import json
import os
import posixpath
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax.datasets.clip import Clip, Truth
from daflow_jax.datasets.facts import Layout
from daflow_jax.errors import UserError
from daflow_jax.io import atomic, image, json_file, storage
from daflow_jax.io import flow as flow_files
from daflow_jax.io.storage import Place

HEAD, DONE = "labels.json", "clip.json"
_AGAIN = "Label the clips again"


def start(root: Place, source: Place, layout: str, head: dict[str, Any]) -> None:
    """Writes labels.json, or checks that an earlier run or another process wrote the same.

    Labels of two models or sources in one folder are refused with a `UserError`.
    """
    entry = json.loads(json.dumps({"schema": 1, "source": _from(root, source), "layout": layout}))
    entry |= json.loads(json.dumps(head))
    file = root / HEAD
    if not file.is_file():
        atomic.write_text(file, json.dumps(entry, indent=1) + "\n")
        return
    old = json_file.read_object(file, _AGAIN).values
    differs = sorted(key for key in entry if old.get(key) != entry[key])
    if differs:
        key = differs[0]
        rule = f"{key} is {old.get(key)!r}, this run's is {entry[key]!r}"
        raise UserError(file, rule, "Choose another --out, or remove that folder first")


def _from(root: Place, source: Place) -> str:
    if not isinstance(source, Path):
        return os.fspath(source)
    if not isinstance(root, Path):
        return source.absolute().as_posix()
    try:
        return Path(os.path.relpath(source.absolute(), root.absolute())).as_posix()
    except ValueError:  # on another drive
        return source.absolute().as_posix()


def folder(root: Place, clip: Clip) -> Place:
    """Returns the folder of a clip's labels."""
    place = root / clip.split / clip.name
    return place.with_name(f"{place.name}.labels")


def is_done(root: Place, clip: Clip) -> bool:
    """Returns whether all labels of the clip are there."""
    return (folder(root, clip) / DONE).is_file()


class Writer:
    """Writes the labels of one clip, pair by pair."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.pairs, self.lost = 0, 0

    def add(self, flow: np.ndarray, occlusion: np.ndarray, suffix: str = "") -> None:
        """Writes flow (h, w, 2) and occlusion (h, w) of the next pair; suffix "_back" last."""
        name = f"{self.pairs:06d}.png"
        self.lost += flow_files.write_flow(self._folder / f"flow{suffix}" / name, flow)
        mask = np.where(occlusion, np.uint8(255), np.uint8(0))
        image.write_image(self._folder / f"occlusion{suffix}" / name, mask)
        if suffix:
            self.pairs += 1
        self.size = flow.shape[:2]


def fingerprint(clip: Clip) -> str:
    """Returns a checksum of the names and lengths of the files that hold the frames, which reads
    none of them.
    """
    lines = (f"{path.name} {path.stat().st_size}" for path in clip.frames if path.is_file())
    return f"{zlib.crc32(chr(10).join(lines).encode()):08x}"


@contextmanager
def writing(root: Place, clip: Clip) -> Iterator[Writer]:
    """Yields a writer beside the clip's place; all its files appear there at once, or none. In a
    bucket they appear one by one, and `DONE`, which says that all are there, last.
    """
    done = folder(root, clip)
    with _beside(done) if isinstance(done, Path) else storage.staged(done, (DONE,)) as part:
        writer = Writer(part)
        yield writer
        entry = {"frames": writer.pairs + 1, "size": list(writer.size), "lost": writer.lost}
        entry["of"] = fingerprint(clip)
        atomic.write_text(part / DONE, json.dumps(entry) + "\n")


@contextmanager
def _beside(done: Path) -> Iterator[Path]:
    """Yields a folder that takes the place `done` if the block succeeds."""
    part = atomic.beside(done, "part")  # one name, so that a killed run leaves no heap
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        os.replace(part, done)
    except OSError as error:
        raise atomic.write_error(done, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _clips(root: Path) -> Iterator[Clip]:
    """Lists the clips of the source with the labels as their truth."""
    from daflow_jax import datasets  # which lists this layout among others

    head = json_file.read_object(root / HEAD, _AGAIN)
    source, layout = _source(root, head.text("source")), head.text("layout")
    if (source / HEAD).is_file() or layout.partition(":")[0] == LABELS.name:
        raise UserError(root / HEAD, "names other labels as its source", _AGAIN)
    for clip in datasets.list_clips(source, layout):
        yield _labelled(root, clip)


def _source(root: Path, text: str) -> Path:
    """Returns the folder of the clips; what is relative is so to where the labels lie."""
    there = storage.origin(root)
    if there is None or storage.is_url(text) or os.path.isabs(text):
        return storage.outlined(text if storage.is_url(text) else root / text)
    scheme, _, name = os.fspath(there).partition("://")
    return storage.outlined(f"{scheme}://{posixpath.normpath(posixpath.join(name, text))}")


def _labelled(root: Path, clip: Clip) -> Clip:
    if not is_done(root, clip):
        unknown = dataclasses.replace(clip, truth=(), back=())
        return dataclasses.replace(unknown, problem=clip.problem or "has no labels yet")
    place = Path(folder(root, clip))
    done = json_file.read_object(place / DONE, _AGAIN)
    frames, problem = done.whole("frames", 1, most=10**8), clip.problem
    if done.text("of", "") not in ("", fingerprint(clip)):
        problem = problem or "has labels of other frames: its files have changed since"
    if not clip.is_video and frames != len(clip.frames):
        problem = problem or f"has {len(clip.frames)} frames and labels of {frames}"
    return dataclasses.replace(
        clip,
        truth=_truths(place, frames - 1, ""),
        back=_truths(place, frames - 1, "_back"),
        problem=problem,
    )


def _truths(place: Path, pairs: int, suffix: str) -> tuple[Truth, ...]:
    names = (f"{index:06d}.png" for index in range(pairs))
    return tuple(
        Truth(place / f"flow{suffix}" / name, occluded=place / f"occlusion{suffix}" / name)
        for name in names
    )


LABELS = Layout(
    name="labels",
    title="Pseudo ground truth",
    download="made by `daflow data label`",
    size="-",
    licence="that of the clips and of the model",
    tree="labels.json, SPLIT/NAME.labels/{flow,flow_back,occlusion,occlusion_back}/000000.png",
    marks=(HEAD,),
    clips=_clips,
)
