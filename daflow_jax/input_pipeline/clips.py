"""Clips from disk by number: built data sets and folders, and the endless stream drawn from them.

No TensorFlow anywhere; TFDS is only asked where the array_record files are and how they are coded.
"""

import functools
import warnings
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from daflow_jax import datasets
from daflow_jax.datasets.record import StoredClip
from daflow_jax.errors import UserError, nearest
from daflow_jax.input_pipeline import settings
from daflow_jax.io import storage
from daflow_jax.io.storage import Place, faults

_WINDOW = 0xC11  # purpose of a random draw: which frames of a clip


@runtime_checkable
class Readable(Protocol):
    """What a clip offers: `datasets.Clip` and `datasets.record.StoredClip` do."""

    @property
    def name(self) -> str:
        """How messages call it."""
        ...

    @property
    def known(self) -> tuple[bool, ...]:
        """Which of the forward flows there are."""
        ...

    def __len__(self) -> int: ...

    def read(self, start: int, count: int, backward: bool = False) -> dict[str, np.ndarray]:
        """Returns the arrays of `count` frames from `start` on."""
        ...


class BuiltSet(Sequence):
    """Random access to the records of a set written by `python -m data.build`.

    Args:
        folder: OUT/NAME, or a version of it (OUT/NAME/1.0.0); also in a bucket, where records are
            read by ranges of bytes.
        split: as the build reported, also "train[:50%]"; "all" joins them.
    """

    def __init__(self, folder: str | Place, split: str = "train"):
        self.folder, self.split = _finished(folder), split
        self._check_split()

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> StoredClip:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index}; the set has {len(self)}, counted from 0")
        return StoredClip(self._source[int(index)])

    def __getstate__(self) -> dict:
        """Returns what a worker process needs; it opens the files itself."""
        return {"folder": str(self.folder), "split": self.split}

    def __setstate__(self, state: dict) -> None:
        self.folder, self.split = storage.place(state["folder"]), state["split"]

    @functools.cached_property
    def _source(self) -> Sequence:
        if storage.is_url(self.folder):
            from daflow_jax.input_pipeline.far_records import FarRecords

            return FarRecords(self._builder, self.split)
        return self._builder.as_data_source(split=self.split)

    @functools.cached_property
    def _builder(self) -> Any:
        try:
            import tensorflow_datasets as tfds
        except ImportError:
            remedy = "Install daflow-jax[data]"
            raise UserError(self.folder, "needs tensorflow-datasets", remedy, code=3) from None
        with faults.explained(self.folder):
            return tfds.builder_from_directory(str(self.folder))

    def _check_split(self) -> None:
        name = self.split.partition("[")[0]
        splits = self._builder.info.splits
        if name != "all" and name not in splits:
            raise UserError(f"{self.folder}", f"no split {name!r}", nearest(name, splits))


def _finished(folder: str | Place) -> Place:
    """Returns the folder with dataset_info.json: `folder` itself or its highest version."""
    folder = storage.place(folder)
    storage.check(folder)
    with faults.explained(folder):
        return _version(folder)


def _version(folder: Place) -> Place:
    found = [path.parent for path in folder.glob("*/dataset_info.json")]
    found = [path for path in found if "incomplete" not in path.name]
    if (folder / "dataset_info.json").is_file() and "incomplete" not in folder.name:
        return folder
    if not found:
        rule = "holds no finished data set"
        raise UserError(folder, rule, "Build it: python -m data.build NAME --source DIR --out DIR")
    return max(found, key=lambda path: [int(part) for part in path.name.split(".")])


class FolderSet(Sequence):
    """Random access to the clips of a known layout, or of a pairs folder, in place.

    A window of a video is decoded from the video's start on: build a set to train on videos. In a
    bucket a window costs a request for each of its files, and a video is fetched whole.

    Args:
        root: the folder, also in a bucket.
        layout: as of `datasets.list_clips`.
        skip_bad: leave out clips whose files are missing; they are in `skipped`, as (name, error).
    """

    def __init__(self, root: str | Place, layout: str = "auto", skip_bad: bool = False):
        self.clips: list[datasets.Clip] = []
        self.skipped: list[tuple[str, str]] = []
        for clip in datasets.list_clips(root, layout):
            try:
                clip.check()
            except UserError as error:
                if not skip_bad:
                    raise
                self.skipped.append((clip.name, str(error)))
            else:
                self.clips.append(clip)
        if not self.clips:
            raise UserError(root, f"all {len(self.skipped)} clips are broken", self.skipped[0][1])

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> datasets.Clip:
        return self.clips[index]


class ClipStream:
    """An endless stream of windows of clips: item i is number `start` + i of the stream `seed`.

    Every pass over the set has an order of its own, and every clip a window drawn among those
    with most known flow. Items are a function of (set, seed, number) alone.

    Args:
        clips: a `BuiltSet`, a `FolderSet`, or any sequence of `Readable`.
        frames: of a window; a shorter clip repeats its last frame, with flow that is not valid.
        backward: read flow_back as well, where there is any.
        gap: least and most frames from one frame of a window to the next, drawn for every window.
            Windows whose frames are further apart than 1 know no flow.
    """

    def __init__(
        self,
        clips: Sequence,
        frames: int,
        seed: int = 0,
        start: int = 0,
        backward: bool = False,
        gap: tuple[int, int] = (1, 1),
    ):
        if frames < 2:
            raise UserError("frames", f"{frames}; a window has at least 2", "Raise it")
        self.clips, self.frames, self.seed, self.start = clips, frames, seed, start
        self.backward, self.gap = backward, gap

    def __len__(self) -> int:
        return settings.NUM_CLIPS - self.start

    def __getitem__(self, index: int) -> dict:
        """Returns {"index", hq, flow, valid, maybe lq and occlusion, with `backward` ..._back}.

        Frames are float32 in [0, 1]; at the clip's own size; see `read_window`.
        """
        number = self.start + int(index)
        clip = self.clips[self.place(number)]
        rng = self._rng(number)
        if self.gap != (1, 1):
            gap = int(rng.integers(self.gap[0], self.gap[1] + 1))
            window = read_apart(clip, int(rng.integers(2**31)), self.frames, gap, self.backward)
            return {"index": np.int64(number), **window}
        first = _draw_window(clip, self.frames, rng)
        return {"index": np.int64(number), **read_window(clip, first, self.frames, self.backward)}

    def place(self, number: int) -> int:
        """Returns which clip of the set item `number` of the stream is drawn from."""
        epoch, place = divmod(number, len(self.clips))
        return int(_order(self.seed % 2**64, epoch, len(self.clips))[place])

    def _rng(self, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed % 2**64, number, _WINDOW])


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, size: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(size)


def read_window(
    clip: Readable, first: int, frames: int, backward: bool = False
) -> dict[str, np.ndarray]:
    """Returns `frames` frames of a clip from `first` on: hq (f, h, w, 3) and maybe lq, float32 in
    [0, 1], flow (f-1, h, w, 2) and valid (f-1, h, w), with `backward` flow_back and valid_back.

    Where no flow is known it is 0 and not valid; lq and occlusion are absent if unknown. A shorter
    clip repeats its last frame.
    """
    arrays = clip.read(first, min(frames, len(clip)), backward)
    arrays = {key: _lengthened(key, x, frames) for key, x in arrays.items()}
    for suffix in ("", "_back") if backward else ("",):
        pairs = (frames - 1, *arrays["hq"].shape[1:3])
        arrays.setdefault(f"flow{suffix}", np.zeros((*pairs, 2), np.float32))
        arrays.setdefault(f"valid{suffix}", np.zeros(pairs, bool))
    return arrays | {key: _as_float(arrays[key]) for key in ("lq", "hq") if key in arrays}


def read_apart(
    clip: Readable, place: int, frames: int, gap: int, backward: bool = False
) -> dict[str, np.ndarray]:
    """Returns `frames` frames of a clip that are `gap` apart, as `read_window`, without flow.

    Args:
        place: any number; it chooses among the windows.

    Raises UserError for a clip that is too short.
    """
    span = gap * (frames - 1) + 1
    if len(clip) < span:
        rule = f"{len(clip)} frames; {frames} frames {gap} apart need {span}"
        raise UserError(clip.name, rule, "Lower data.gap, or leave the clip out")
    first = place % (len(clip) - span + 1)
    parts = [read_window(clip, first + k * gap, 1) for k in range(frames)]
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    pairs = (frames - 1, *arrays["hq"].shape[1:3])
    for suffix in ("", "_back") if backward else ("",):
        arrays[f"flow{suffix}"] = np.zeros((*pairs, 2), np.float32)
        arrays[f"valid{suffix}"] = np.zeros(pairs, bool)
    return {key: arrays[key] for key in arrays if not key.startswith("occlusion")}


def open_set(found: settings.Source | settings.EvalSource) -> BuiltSet | FolderSet:
    """Returns the set that a source of files names; broken clips of a folder that are left out are
    counted in a warning.
    """
    if found.kind == "built":
        return BuiltSet(found.path, found.split or "train")
    opened = FolderSet(found.path, found.layout, found.skip_bad)
    if opened.skipped:
        count, first = len(opened.skipped), opened.skipped[0][1]
        total = count + len(opened)
        warnings.warn(f"{found.path}: {count} of {total} clips left out: {first}", stacklevel=2)
    return opened


def _draw_window(clip: Readable, frames: int, rng: np.random.Generator) -> int:
    """Returns the first frame of a window, drawn among those that know most flows."""
    count = len(clip)
    if count <= frames:
        return 0
    known = np.convolve(clip.known, np.ones(frames - 1, int), "valid")
    return int(rng.choice(np.flatnonzero(known == known.max())))


def _lengthened(key: str, array: np.ndarray, frames: int) -> np.ndarray:
    """Returns the array for `frames` frames: the last one repeated, flow to it unknown."""
    is_frame = key in ("lq", "hq")
    missing = (frames if is_frame else frames - 1) - len(array)
    if missing <= 0:
        return array
    last = array[-1:] if is_frame else np.zeros_like(array[-1:])
    return np.concatenate([array, np.repeat(last, missing, axis=0)])


def _as_float(frames: np.ndarray) -> np.ndarray:
    largest = 65535 if frames.dtype == np.uint16 else 255
    return frames.astype(np.float32) * np.float32(1 / largest)
