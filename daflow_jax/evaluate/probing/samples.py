"""The clips that features are compared on: pairs from disk, or held-out synthetic clips."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from daflow_jax.evaluate import degradations as degraded
from daflow_jax.ops import pad as padding
from daflow_jax.predict.frames import as_frames


class Sample(NamedTuple):
    """One pair inside its window of frames.

    lq, hq: (f, h, w, 3), uint8 or uint16. first: place of the pair's first frame. flow: (h, w, 2)
    pixels. valid: where it is known. visible: where it is known and not occluded.
    """

    name: str
    dataset: str
    lq: np.ndarray
    hq: np.ndarray
    first: int
    flow: np.ndarray
    valid: np.ndarray
    visible: np.ndarray

    def padded(self, multiple: int) -> "Sample":
        """Returns the sample with float32 frames in [0, 1] and borders up to the next multiple,
        where nothing is valid."""
        around = padding.fit(self.flow.shape[:2], multiple)
        edges = (around[:2], around[2:])
        return self._replace(
            lq=padding.pad(as_frames(self.lq), around),
            hq=padding.pad(as_frames(self.hq), around),
            flow=padding.pad(self.flow, around).astype(np.float32),
            valid=np.pad(self.valid, edges),
            visible=np.pad(self.visible, edges),
        )


Maker = Callable[[degraded.Degradation], Sample]


def of_pairs(pairs: Sequence[Any], seed: int, window: int) -> list[Maker]:
    """Returns what makes the samples of `evaluate.read_pairs` in windows of 2 or 3 frames.

    The third frame is the pair's neighbour on disk, else its last frame once more, as in `eval`.
    """
    return [functools.partial(_pair, pair, seed, window) for pair in pairs]


def synthetic(count: int, size: tuple[int, int], seed: int, window: int) -> list[Maker]:
    """Returns what makes the samples of `count` held-out clips of (height, width) `size`."""
    from daflow_jax.synthetic import scene

    config = scene.SceneConfig(frames=window, height=size[0], width=size[1])
    held_out = seed + scene.EVAL_SEED
    return [functools.partial(_generated, config, held_out, index) for index in range(count)]


def _pair(pair, seed, window, degradation) -> Sample:
    truth = pair.load()
    seed = degraded.seed_of(pair, seed)
    clean = np.stack([truth.frame1, truth.frame2])
    visible = truth.valid if truth.occluded is None else truth.valid & ~truth.occluded
    hq, lq, first = clean, degradation.apply(clean, seed, truth.flow), 0
    if window > 2:
        beside = pair.neighbour()
        third, third_lq = hq[1], lq[1]
        if beside is not None:
            third = beside.frame
            third_lq = degradation.third(clean, third, seed, truth.flow)
            first = int(beside.before)
        hq, lq = (_with(x, y, first) for x, y in ((hq, third), (lq, third_lq)))
    masks = {"valid": truth.valid, "visible": visible}
    return Sample(pair.name, pair.dataset, lq, hq, first, truth.flow, **masks)


def _with(frames, third, before):
    return np.concatenate([third[None], frames] if before else [frames, third[None]])


def _generated(config, seed, index, degradation) -> Sample:
    from daflow_jax.synthetic import host

    clip = host.clip(config, seed, index, backward=False)
    hq = np.rint(255 * clip["hq"]).astype(np.uint8)
    flow, valid = clip["flow"][0], clip["valid"][0]
    lq = degradation.apply(hq, seed + index, flow)
    visible = valid & ~clip["occlusion"][0]
    return Sample(f"{index:05d}", "generated", lq, hq, 0, flow, valid, visible)
