"""A clip on disk: frames that follow each other and the files about the motion between them."""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from daflow_jax.datasets import far
from daflow_jax.errors import UserError
from daflow_jax.io import flow as flow_files
from daflow_jax.io import image, listing, numpy_files, video


class Motion(NamedTuple):
    """Flow float32 (h, w, 2) in pixels, 0 where not valid, and bool masks (h, w), None if unknown.

    `valid`: the flow is known. `occluded`: the pixel cannot be seen in the other frame.
    `unreliable`: the data set itself doubts the flow (Sintel's "invalid" pictures).
    """

    flow: np.ndarray
    valid: np.ndarray
    occluded: np.ndarray | None
    unreliable: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Truth:
    """The files about the motion from one frame to another.

    Attributes:
        flow: in any format of `io.flow`.
        valid: picture, not 0 = the flow is known.
        occluded: picture, not 0 = cannot be seen in the other frame.
        visible: picture, not 0 = can be seen there (KITTI's "noc").
        unreliable: picture, not 0 = doubted by the data set.
        codes: .npy of TartanAir's mask: 0 = visible, 1 and 10 = occluded, 100 = out of view, where
            the flow counts as unknown (as SEA-RAFT reads it).
        every_second: keep every second value of the flow in each direction (Spring).
    """

    flow: Path
    valid: Path | None = None
    occluded: Path | None = None
    visible: Path | None = None
    unreliable: Path | None = None
    codes: Path | None = None
    every_second: bool = False

    def files(self) -> list[Path]:
        """Returns the paths that have to exist, the flow first."""
        masks = (self.valid, self.occluded, self.visible, self.unreliable, self.codes)
        return [self.flow, *(path for path in masks if path is not None)]

    def read(self) -> Motion:
        """Returns what the files say; sizes that differ are a `UserError` naming the file."""
        flow, valid = flow_files.read_flow(self.flow, self.every_second)
        shape = flow.shape[:2]
        known, occluded = self._mask(self.valid, shape), self._mask(self.occluded, shape)
        visible = self._mask(self.visible, shape)
        valid = valid if known is None else valid & known
        if visible is not None:
            occluded = valid & ~visible
        if self.codes is not None:
            codes = _same_shape(self.codes, _read_codes(self.codes), shape)
            occluded, valid = codes > 0, valid & (codes < 100)
        flow = np.where(valid[..., None], flow, np.float32(0))
        return Motion(flow, valid, occluded, self._mask(self.unreliable, shape))

    def _mask(self, path: Path | None, shape: tuple[int, ...]) -> np.ndarray | None:
        return None if path is None else _same_shape(path, image.read_mask(path), shape)


def _same_shape(path: Path, mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if mask.shape == shape:
        return mask
    rule = f"has shape {mask.shape} and the flow {shape}; the files of a pair share a size"
    raise UserError(path, rule, "Check which of them belongs to another pair")


def _read_codes(path: Path) -> np.ndarray:
    codes, _ = numpy_files.decode(image.read_bytes(path), path)
    if codes.ndim != 2:
        raise UserError(path, f"has shape {codes.shape}; a mask is (height, width)", "Copy it anew")
    return codes


@dataclasses.dataclass(frozen=True)
class Clip:
    """Frames that follow each other, nothing read yet.

    Attributes:
        name: unique in its data set, with "/".
        dataset: for averages, e.g. "sintel-clean".
        split: e.g. "train".
        frames: pictures in order, or one video.
        truth: what is known about the motion k -> k+1, one entry a pair; () = nothing at all.
        back: the same for k+1 -> k.
        clean: clean originals of the frames where those are degraded, else ().
        problem: what makes the clip unusable, found while listing; "" = nothing.
    """

    name: str
    dataset: str
    split: str
    frames: tuple[Path, ...]
    truth: tuple[Truth | None, ...] = ()
    back: tuple[Truth | None, ...] = ()
    clean: tuple[Path | None, ...] = ()
    problem: str = ""

    @property
    def is_video(self) -> bool:
        """Whether `frames` is one file that holds them all: a video or an animation."""
        one = self.frames[0] if len(self.frames) == 1 else None
        return one is not None and (video.is_video(one) or image.count(one) > 1)

    @property
    def known(self) -> tuple[bool, ...]:
        """Which of the forward flows there are."""
        return tuple(truth is not None for truth in self.truth) or (False,) * (len(self) - 1)

    def __len__(self) -> int:
        """Returns the number of frames; a video's is what its header says."""
        if not self.is_video:
            return len(self.frames)
        if far.is_far(self.frames[0]):
            return far.length(self)
        if not video.is_video(self.frames[0]):
            return image.count(self.frames[0])
        return video.info(self.frames[0]).frames or len(list(video.frames(self.frames[0])))

    def check(self) -> None:
        """Raises `UserError` for missing frames and files; reads names only."""
        where = self.frames[0] if self.is_video else self.frames[0].parent if self.frames else ""
        if self.problem:
            raise UserError(where or self.name, self.problem, "Mend the folder or leave it out")
        if self.is_video:
            return
        if len(self.frames) < 2:
            count = f"{len(self.frames)} frame{'' if len(self.frames) == 1 else 's'}"
            raise UserError(where or self.name, f"{count}; a clip needs 2", "Copy it again")
        gap = listing.gap(self.frames)
        if gap is not None:
            before, after = gap
            rule = f"follows {before.name}: frames between them are missing"
            raise UserError(after, rule, "Copy the folder again")
        for truth in filter(None, (*self.truth, *self.back)):
            for path in truth.files():
                if not path.is_file():
                    raise UserError(path, "not found", "Copy or download the data set again")

    def pictures(self) -> Iterator[np.ndarray]:
        """Yields all frames RGB (h, w, 3), uint8 or uint16; one size, or a `UserError`."""
        if self.frames and far.is_far(self.frames[0]):
            return far.pictures(self)
        if not self.is_video:
            return _of_one_size(self.frames)
        path = self.frames[0]
        if video.is_video(path):
            return video.frames(path)
        return image.decode_all(image.read_bytes(path), path)

    def read(self, start: int, count: int, backward: bool = False) -> dict[str, np.ndarray]:
        """Returns `count` frames from `start` on as arrays: see `window`."""
        return window(self, start, count, backward)


def _of_one_size(paths: tuple[Path, ...]) -> Iterator[np.ndarray]:
    first = None
    for path in paths:
        frame = image.read_image(path)
        first = first or frame.shape
        if frame.shape != first:
            rule = (
                f"{frame.shape[1]}x{frame.shape[0]} but {paths[0].name} is {first[1]}x{first[0]}; "
                "frames of one clip share a size"
            )
            raise UserError(path, rule, "Resize the frames or split the clip")
        yield frame


def window(clip: Clip, start: int, count: int, backward: bool = False) -> dict[str, np.ndarray]:
    """Returns the arrays of frames start ... start + count - 1 (keys of `tasks.inputs.CLIP`).

    hq (f, h, w, 3) as stored (with lq where hq is a clean original); flow (f-1, h, w, 2), valid and
    occlusion (f-1, h, w), and the same with _back, where anything is known about them. Flow that is
    unknown or unreliable is not valid.
    """
    with far.here(clip if backward else dataclasses.replace(clip, back=()), start, count) as found:
        return _window(found, start, count, backward)


def _window(clip: Clip, start: int, count: int, backward: bool) -> dict[str, np.ndarray]:
    pictures = _some(clip, start, count)
    arrays = {"hq": pictures}
    if clip.clean and all(clip.clean[start : start + count]):
        clean = tuple(path for path in clip.clean[start : start + count] if path)
        arrays = {"lq": pictures, "hq": np.stack(list(_of_one_size(clean)))}
    pairs = slice(start, start + count - 1)
    for truths, suffix in ((clip.truth, ""), (clip.back if backward else (), "_back")):
        motions = [truth.read() if truth else None for truth in truths[pairs]]
        arrays |= stack_motions(motions, pictures.shape[1:3], suffix, clip.name)
    return arrays


def _some(clip: Clip, start: int, count: int) -> np.ndarray:
    if clip.is_video:
        found = list(itertools.islice(clip.pictures(), start, start + count))
    else:
        found = list(_of_one_size(clip.frames[start : start + count]))
    if len(found) < count:
        rule = f"{start + len(found)} frames; frames {start} to {start + count - 1} were asked for"
        raise UserError(clip.frames[0], rule, "Copy it again")
    return np.stack(found)


def stack_motions(
    motions: list[Motion | None], shape: tuple[int, ...], suffix: str = "", name: str = "clip"
) -> dict[str, np.ndarray]:
    """Returns flow, valid and occlusion (with `suffix`) of pairs; {} if none is known.

    `shape` is that of the frames (h, w); a flow of another is a `UserError` naming `name`.
    """
    if not any(motions):
        return {}
    flow = np.zeros((len(motions), *shape, 2), np.float32)
    valid, occlusion = np.zeros((2, len(motions), *shape), bool)
    for index, motion in enumerate(motions):
        if motion is None:
            continue
        if motion.flow.shape[:2] != shape:
            sizes = [f"{width}x{height}" for height, width in (motion.flow.shape[:2], shape)]
            rule = f"flow {index} is {sizes[0]} but the frames are {sizes[1]}"
            raise UserError(name, rule, "Flow has the size of its frames")
        flow[index], valid[index] = motion.flow, motion.valid
        if motion.unreliable is not None:
            valid[index] &= ~motion.unreliable
        if motion.occluded is not None:
            occlusion[index] = motion.occluded
    arrays = {f"flow{suffix}": flow, f"valid{suffix}": valid}
    if all(motion is None or motion.occluded is not None for motion in motions):
        arrays[f"occlusion{suffix}"] = occlusion
    return arrays
