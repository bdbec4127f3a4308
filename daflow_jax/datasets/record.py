"""Records: short pieces of clips in which every frame and every flow is encoded on its own.

Reading three frames of a record decodes three frames and two flows. Neighbouring records share
`overlap` frames, so that every window of `overlap` + 1 frames lies in one record.

    name, dataset    text: of the clip
    start            its first frame in the clip
    size             height and width
    frames           n pictures as files
    clean            n pictures: clean originals of degraded frames
    flow             n - 1 flows k -> k+1 in the form of `io.packed_flow`
    occlusion        n - 1 grey pictures, 255 = the pixel cannot be seen in frame k+1
    unreliable       n - 1 grey pictures, 255 = the data set itself doubts the flow
    flow_back, occlusion_back    the same for k+1 -> k

An entry is b"" where nothing is known; a list is empty where nothing is known at all.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax.datasets import far
from daflow_jax.datasets.clip import Clip, Motion, Truth, stack_motions
from daflow_jax.errors import UserError
from daflow_jax.io import image, packed_flow

KEPT = (".png", ".jpg", ".jpeg", ".webp")  # pictures stored as the files they are; others as PNG
LISTS = ("frames", "clean", "flow", "occlusion", "unreliable", "flow_back", "occlusion_back")
_SUFFIXES = (("", "truth"), ("_back", "back"))


@dataclasses.dataclass(frozen=True)
class Cutting:
    """How clips are cut into records.

    Attributes:
        frames: most frames of a record.
        overlap: frames that neighbouring records share.
        jpeg: quality (1..100) of frames that come from videos; None = PNG, without loss.
    """

    frames: int = 8  # [choice] with overlap 2 a third more bytes, 8/3 of those a window needs
    overlap: int = 2
    jpeg: int | None = None

    def __post_init__(self):
        if not 0 < self.overlap < self.frames:
            rule = f"{self.overlap} of {self.frames} frames; records share some, not all"
            raise UserError("overlap", rule, "Choose frames above overlap above 0")


def records(clip: Clip, cutting: Cutting) -> Iterator[dict[str, Any]]:
    """Yields the records of a clip: strings, numbers, and lists of bytes under `LISTS`.

    A damaged file is a `UserError` when its turn comes; the records before it are sound.
    """
    clip.check()
    with far.here(clip) as found:
        yield from _records(found, cutting)


def _records(clip: Clip, cutting: Cutting) -> Iterator[dict[str, Any]]:
    held: list[tuple[bytes, bytes]] = []
    start, size, step = 0, (0, 0), cutting.frames - cutting.overlap
    for pixels, data, clean in _encoded(clip, cutting):
        if not held:
            size = pixels
        held.append((data, clean))
        if len(held) == cutting.frames:
            yield _record(clip, start, size, held)
            held, start = held[step:], start + step
    if len(held) > cutting.overlap or start == 0:
        if start + len(held) < 2:
            raise UserError(clip.frames[0], "holds 1 frame; a clip needs 2", "Leave it out")
        yield _record(clip, start, size, held)


def _encoded(clip: Clip, cutting: Cutting) -> Iterator[tuple[tuple[int, int], bytes, bytes]]:
    """Yields size, bytes and bytes of the clean original of each frame."""
    for index, pixels in enumerate(clip.pictures()):
        size = pixels.shape[:2]
        if clip.is_video:
            kind = ".jpg" if cutting.jpeg else ".png"
            yield size, image.encode(pixels, kind, cutting.jpeg), b""
            continue
        clean = clip.clean[index] if clip.clean else None
        yield size, _file(clip.frames[index], pixels), _clean_file(clean, size)


def _file(path: Path, pixels: np.ndarray) -> bytes:
    data = image.read_bytes(path)
    head = image.header(data, path)
    if path.suffix.lower() in KEPT and head and head.orientation == 1:
        return data
    return image.encode(pixels, ".png")  # turned upright, or of a kind that few read


def _clean_file(path: Path | None, size: tuple[int, ...]) -> bytes:
    if path is None:
        return b""
    pixels = image.read_image(path)
    if pixels.shape[:2] != size:
        rule = f"is {pixels.shape[1]}x{pixels.shape[0]}, the frame {size[1]}x{size[0]}"
        raise UserError(path, rule, "Clean frames have the size of theirs")
    return _file(path, pixels)


def _record(
    clip: Clip, start: int, size: tuple[int, int], held: list[tuple[bytes, bytes]]
) -> dict[str, Any]:
    clean = [clean for _, clean in held]
    record = {
        "name": clip.name,
        "dataset": clip.dataset,
        "start": start,
        "size": np.array(size, np.int64),
        "frames": [data for data, _ in held],
        "clean": clean if any(clean) else [],
    }
    pairs = slice(start, start + len(held) - 1)
    for suffix, side in _SUFFIXES:
        truths = getattr(clip, side)[pairs]
        record |= _motion_lists(truths, suffix, size)
    return record


def _motion_lists(truths: tuple[Truth | None, ...], suffix: str, size: tuple[int, int]) -> dict:
    flow, occlusion, unreliable = [], [], []
    for truth in truths:
        motion = truth.read() if truth else None
        if truth and motion and motion.flow.shape[:2] != size:
            got = f"{motion.flow.shape[1]}x{motion.flow.shape[0]}"
            rule = f"flow is {got}, its frames are {size[1]}x{size[0]}"
            raise UserError(truth.flow, rule, "Flow has the size of its frames")
        flow.append(packed_flow.encode(motion.flow, motion.valid) if motion else b"")
        occlusion.append(_mask(motion.occluded if motion else None))
        unreliable.append(_mask(motion.unreliable if motion else None))
    lists = {f"flow{suffix}": flow, f"occlusion{suffix}": occlusion}
    if not suffix:
        lists["unreliable"] = unreliable
    return {key: value if any(value) else [] for key, value in lists.items()}


def _mask(mask: np.ndarray | None) -> bytes:
    return b"" if mask is None else image.encode(mask.astype(np.uint8) * 255, ".png")


class StoredClip:
    """A record as it is read back; offers the same `len`, `known` and `read` as `layouts.Clip`."""

    def __init__(self, record: dict[str, Any]):
        self._record = record
        self.name, self.dataset = (_text(record[key]) for key in ("name", "dataset"))
        self.start = int(record["start"])

    def __len__(self) -> int:
        """Returns the number of frames in the record."""
        return len(self._record["frames"])

    @property
    def known(self) -> tuple[bool, ...]:
        """Which of the forward flows there are."""
        flows = self._record["flow"]
        return tuple(bool(data) for data in flows) if len(flows) else (False,) * (len(self) - 1)

    def read(self, start: int, count: int, backward: bool = False) -> dict[str, np.ndarray]:
        """Returns `count` frames from `start` of the record on (see `layouts.clip.window`)."""
        arrays = {"hq": self._pictures("frames", start, count)}
        clean = self._record["clean"][start : start + count]
        if len(clean) and all(clean):
            arrays = {"lq": arrays["hq"], "hq": self._pictures("clean", start, count)}
        shape = arrays["hq"].shape[1:3]
        for suffix in ("", "_back") if backward else ("",):
            motions = [self._motion(suffix, k) for k in range(start, start + count - 1)]
            arrays |= stack_motions(motions, shape, suffix, self.name)
        return arrays

    def _pictures(self, key: str, start: int, count: int) -> np.ndarray:
        stored = self._record[key][start : start + count]
        return np.stack([image.decode_rgb(data, self.name) for data in stored])

    def _motion(self, suffix: str, index: int) -> Motion | None:
        data = self._entry(f"flow{suffix}", index)
        if not data:
            return None
        flow, valid = packed_flow.decode(data, self.name)
        unreliable = None if suffix else self._mask("unreliable", index)
        return Motion(flow, valid, self._mask(f"occlusion{suffix}", index), unreliable)

    def _mask(self, key: str, index: int) -> np.ndarray | None:
        data = self._entry(key, index)
        return image.decode(data, self.name) > 0 if data else None

    def _entry(self, key: str, index: int) -> bytes:
        entries = self._record[key]
        return entries[index] if index < len(entries) else b""


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def skipping(
    clips: Iterator[Clip] | list[Clip], cutting: Cutting, bad: Callable[[Clip, UserError], None]
) -> Iterator[tuple[Clip, dict[str, Any]]]:
    """Yields (clip, record) of all clips; `bad` is called with a broken one, and may raise."""
    for clip in clips:
        try:
            for record in records(clip, cutting):
                yield clip, record
        except UserError as error:
            bad(clip, error)
