"""Pairs with true flow of any layout, read in place in the form of `io.pairs`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from daflow_jax.datasets import far
from daflow_jax.datasets.clip import Clip
from daflow_jax.datasets.pairs_folder import LoadedPair, Neighbour
from daflow_jax.errors import UserError
from daflow_jax.io import image


@dataclasses.dataclass(frozen=True)
class PairInPlace:
    """Frames `index` and `index` + 1 of a clip, nothing read yet.

    Attributes:
        name: of the clip and of the first frame; stored predictions are NAME.flo.
        folder: root of the data set joined with `name` (no such folder need exist).
    """

    name: str
    dataset: str
    folder: Path
    clip: Clip
    index: int

    def load(self) -> LoadedPair:
        """Returns the pair in memory; `UserError` where files are missing or sizes differ.

        Unreliable pixels stay valid, as the field counts them.
        """
        if self.clip.truth[self.index] is None:
            raise UserError(self.folder, "its flow is not known", "Leave the pair out")
        with far.here(dataclasses.replace(self.clip, back=(), clean=()), self.index, 2) as found:
            return self._load(found)

    def _load(self, clip: Clip) -> LoadedPair:
        truth = clip.truth[self.index]
        assert truth is not None
        first, second = (clip.frames[self.index + step] for step in (0, 1))
        frame1, frame2 = image.read_image(first), image.read_image(second)
        motion = truth.read()
        _same_size(first, frame1, second, frame2)
        _same_size(first, frame1, truth.flow, motion.flow)
        return LoadedPair(frame1, frame2, *motion)

    @property
    def group(self) -> str:
        """The clip that the pair is part of."""
        return self.clip.name

    def neighbour(self) -> Neighbour | None:
        """Returns the third frame of a window of three: the next one, else the one before."""
        for index in (self.index + 2, self.index - 1):
            if 0 <= index < len(self.clip.frames):
                return Neighbour(self._beside(index), before=index < self.index)
        return None

    def _beside(self, index: int) -> np.ndarray:
        both = dataclasses.replace(
            self.clip,
            frames=(self.clip.frames[self.index], self.clip.frames[index]),
            truth=(),
            back=(),
            clean=(),
        )
        with far.here(both) as found:
            first, frame = map(image.read_image, found.frames)
            _same_size(found.frames[0], first, found.frames[1], frame)
            return frame


def _same_size(first: Path, frame: np.ndarray, path: Path, other: np.ndarray) -> None:
    if frame.shape[:2] != other.shape[:2]:
        rule = (
            f"{other.shape[1]}x{other.shape[0]} but {first.name} is {frame.shape[1]}x"
            f"{frame.shape[0]}; the files of a pair share a size"
        )
        raise UserError(path, rule, "Check which of them belongs to another pair")


def of_clips(root: Path, clips: Sequence[Clip]) -> list[PairInPlace]:
    """Returns the pairs whose forward flow is known, in order."""
    found = []
    for clip in clips:
        for index, truth in enumerate(clip.truth):
            if truth is not None:
                name = clip.name
                if len(clip.frames) > 2:
                    name = f"{clip.name}/{clip.frames[index].stem}"
                found.append(PairInPlace(name, clip.dataset, root / name, clip, index))
    return found
