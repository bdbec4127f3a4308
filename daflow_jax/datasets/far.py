"""Clips and pairs whose files lie in a bucket: what a read needs is fetched first, then removed.

Listing gives paths of an outline (`io.storage.outline`); a clip with such paths is far.
"""

import contextlib
import dataclasses
import functools
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import storage

if TYPE_CHECKING:
    from daflow_jax.datasets.clip import Clip, Truth


def is_far(path: Path) -> bool:
    """Returns whether the content of a listed path is in a bucket."""
    return storage.origin(path) is not None


@contextlib.contextmanager
def here(clip: "Clip", start: int = 0, count: int | None = None) -> "Iterator[Clip]":
    """Yields the clip with the files of `count` frames from `start` on, and of the motion between
    them, on this machine; a clip of this machine is yielded as it is.

    A video is fetched whole. Other frames keep their paths, which hold no pictures.
    """
    with copies(_files(clip, start, count)) as copied:
        yield _moved(clip, copied) if copied else clip


@contextlib.contextmanager
def copies(paths: Iterable[Path]) -> Iterator[dict[Path, Path]]:
    """Yields {path: copy} for those of `paths` that lie in a bucket; the copies go at the end."""
    wanted = [path for path in paths if is_far(path)]
    if not wanted:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="daflow-clip-") as folder:
        copied = storage.content(wanted, Path(folder))
        with _named(copied):
            yield copied


@contextlib.contextmanager
def _named(copied: dict[Path, Path]) -> Iterator[None]:
    """Lets errors name the file in the bucket, not its copy."""
    try:
        yield
    except UserError as error:
        for path, copy in copied.items():
            if error.where == str(copy):
                where = storage.origin(path)
                raise UserError(where, error.rule, error.remedy, error.code) from error
        raise


def _files(clip: "Clip", start: int, count: int | None) -> Iterator[Path]:
    """Yields the files that frames `start` ... `start` + `count` - 1 and their motions need."""
    frames = slice(start, None if count is None else start + count)
    pairs = slice(start, None if count is None else start + count - 1)
    yield from clip.frames if clip.is_video else clip.frames[frames]
    yield from (path for path in clip.clean[frames] if path)
    for truth in (*clip.truth[pairs], *clip.back[pairs]):
        if truth:
            yield from truth.files()


def _moved(clip: "Clip", copied: dict[Path, Path]) -> "Clip":
    def moved(paths: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(copied.get(path, path) for path in paths)

    def motions(truths: "Sequence[Truth | None]") -> "tuple[Truth | None, ...]":
        return tuple(truth and _truth(truth, copied) for truth in truths)

    return dataclasses.replace(
        clip,
        frames=moved(clip.frames),
        clean=moved(clip.clean),
        truth=motions(clip.truth),
        back=motions(clip.back),
    )


def _truth(truth: "Truth", copied: dict[Path, Path]) -> "Truth":
    values = {field.name: getattr(truth, field.name) for field in dataclasses.fields(truth)}
    changed = {name: copied[v] for name, v in values.items() if isinstance(v, Path) and v in copied}
    return dataclasses.replace(truth, **changed) if changed else truth


def pictures(clip: "Clip") -> Iterator[np.ndarray]:
    """Yields the frames of a far clip; its files stay on this machine until the last one."""
    with here(dataclasses.replace(clip, truth=(), back=(), clean=())) as found:
        yield from found.pictures()


@functools.lru_cache(maxsize=2**16)
def length(clip: "Clip") -> int:
    """Returns the number of frames of a far video, which is fetched once to count them."""
    with here(clip) as found:
        return len(found)
