"""Clips of evaluations by number, always the same: held-out ones of a source, windows of files."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.input_pipeline import clips, settings, sources, transforms


class Fit(NamedTuple):
    """What frames a network takes: height and width are multiples of `multiple` pixels and at
    least `minimum`."""

    multiple: int = 1
    minimum: int = 1

    def cropped(self, size: tuple[int, int], name: str) -> tuple[int, int]:
        """Returns the largest size that fits into `size` = (height, width); UserError for none."""
        height, width = (side // self.multiple * self.multiple for side in size)
        if min(height, width) < max(self.minimum, self.multiple):
            rule = f"{size[0]}x{size[1]} frames; the network wants at least {self.minimum} a side"
            raise UserError(name, rule, "Leave the set out, or evaluate it with daflow eval")
        return height, width


def clean(config: settings.DataConfig) -> settings.DataConfig:
    """Returns the settings of a stream whose degraded frames are the clean ones."""
    degrade = dataclasses.replace(config.degrade, clean_share=1.0, jitter_share=0.0)
    return dataclasses.replace(config, degrade=degrade)


class HeldOut:
    """Clips of a source that no training stream of `config` has; `name`: see `sources.held_out`."""

    def __init__(self, config: settings.DataConfig, name: str = "", degrade: bool = True):
        held_out = sources.held_out(config if degrade else clean(config), name)
        self._source = sources.open_source(held_out)
        self._steps = transforms.chain(held_out)

    def __getitem__(self, number: int) -> dict[str, np.ndarray]:
        """Returns clip `number` with the keys of the stream, without batch axis."""
        clip = self._source[number]
        for step in self._steps:
            clip = step(clip)
        return clip


class FileWindows:
    """Windows of the clips of a set of files, at most `count`, spread evenly over the set.

    Frames are cut around their centre to what the network takes.
    """

    def __init__(
        self, config: settings.DataConfig, source: settings.EvalSource, count: int, fit: Fit
    ):
        self._clips, self._source, self._fit = clips.open_set(source), source, fit
        held_out = sources.held_out(config, "synthetic")
        self._frames, self._backward = config.scene.frames, config.backward
        self._gap = config.gap[0]
        self._steps = (*transforms.degrading(held_out), transforms.Select(config.keys))
        self.windows = _spread(self._clips, self._frames, count)

    def __len__(self) -> int:
        return len(self.windows)

    def groups(self) -> list[list[int]]:
        """Returns the numbers of the windows by the size that they are cut to; reads a frame of
        each clip."""
        found: dict[tuple[int, int], list[int]] = {}
        sizes: dict[int, tuple[int, int]] = {}
        for number, (place, _) in enumerate(self.windows):
            if place not in sizes:
                clip = self._clips[place]
                shape = clip.read(0, 1)["hq"].shape[1:3]
                sizes[place] = self._fit.cropped(shape, f"{self._source.path} {clip.name}")
            found.setdefault(sizes[place], []).append(number)
        return list(found.values())

    def __getitem__(self, number: int) -> dict[str, np.ndarray]:
        """Returns window `number` with the keys of the stream, without batch axis."""
        place, first = self.windows[number]
        found, frames, backward = self._clips[place], self._frames, self._backward
        clip: dict[str, Any] = (
            clips.read_apart(found, first, frames, self._gap, backward)
            if self._gap > 1
            else clips.read_window(found, first, frames, backward)
        )
        clip = self._cut(clip, self._clips[place].name)
        if self._source.degrade:
            clip.pop("lq", None)
        else:
            clip = {"lq": clip["hq"], **clip, "degraded": True}
        clip["index"] = np.int64(number)
        for step in self._steps:
            clip = step(clip)
        return clip

    def _cut(self, clip: dict[str, np.ndarray], name: str) -> dict[str, Any]:
        whole = clip["hq"].shape[1:3]
        height, width = self._fit.cropped(whole, f"{self._source.path} {name}")
        top, left = (whole[0] - height) // 2, (whole[1] - width) // 2
        return {
            key: x[:, top : top + height, left : left + width] if x.shape[1:3] == whole else x
            for key, x in clip.items()
        }


def _spread(found: Sequence, frames: int, count: int) -> list[tuple[int, int]]:
    """Returns (place of a clip, first frame) of `count` windows, or of all where there are fewer.

    Large sets give one window of every n-th clip, the first that knows most flow; small ones all
    windows in a row, of which every n-th is taken.
    """
    if len(found) >= count:
        places = [i * len(found) // count for i in range(count)]
        return [(place, _best(found[place], frames)) for place in places]
    every = [
        (place, first) for place in range(len(found)) for first in _in_a_row(found[place], frames)
    ]
    if len(every) <= count:
        return every
    return [every[i * len(every) // count] for i in range(count)]


def _best(clip: clips.Readable, frames: int) -> int:
    if len(clip) <= frames:
        return 0
    known = np.convolve(clip.known, np.ones(frames - 1, int), "valid")
    return int(known.argmax())


def _in_a_row(clip: clips.Readable, frames: int) -> list[int]:
    """Returns the first frames of windows that share their end frames: every flow stands in one,
    but for those of a rest at the end. If some windows know flow, the others are left out."""
    firsts = list(range(0, max(len(clip) - frames, 0) + 1, frames - 1))
    known = [first for first in firsts if any(clip.known[first : first + frames - 1])]
    return known or firsts
