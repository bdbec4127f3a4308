"""Batches of points of a fit: a function of the clip's flow, the seed and the step."""

from typing import Any

import numpy as np

from daflow_jax.fitting.reduced import Clip
from daflow_jax.fitting.tracks.objective import Batch
from daflow_jax.fitting.tracks.pair_flow import SEEN, PairFlow

FIRST_GAP, STEPS_A_GAP = 20, 2000  # frames apart at first, and steps until one more


class Points:
    """Draws batches as the published loader does before it has cached errors.

    The first frame is any; the second one of those near enough, in proportion to how much of the
    flow is reliable, neighbours half of the time or more; pixels the likelier the fewer flows they
    are known in. Half of the pairs are turned around, where occluded points then do not count.
    [Left out: pixels and frames by the errors of the fit, after 20,000 steps.]

    Args:
        pairs: of one batch. points: of one pair. samples: along a ray.
    """

    def __init__(
        self, clip: Clip, flow: PairFlow, pairs: int, points: int, samples: int, seed: int = 0
    ):
        self._frames, self._flow, self._seed = clip.frames, flow, seed
        self._shape = pairs, points, samples
        bits = [flow.known[n] for n in range(len(flow.pairs))]
        self._reliable = np.array([np.count_nonzero(x) for x in bits], np.float64)
        counts = np.zeros(clip.frames.shape[:3], np.int32)
        for (first, _), known in zip(flow.pairs, bits, strict=True):
            counts[first] += known > 0
        self._share = 1 / np.sqrt(counts + 1.0)
        self._of = [np.flatnonzero(flow.pairs[:, 0] == n) for n in range(len(clip.frames))]

    def __call__(self, step: int) -> Batch:
        """Returns the batch of a step."""
        rng = np.random.default_rng([self._seed, step])
        count, _, samples = self._shape
        most = min(FIRST_GAP + step // STEPS_A_GAP, len(self._frames) - 1)
        rows = [self._pair(rng, most) for _ in range(count)]
        drawn: list[Any] = [np.stack(x) for x in zip(*rows, strict=True)]
        jitter: Any = rng.random((*drawn[-1].shape, samples), np.float32)
        return Batch._make((*drawn, jitter))

    def _pair(self, rng, most):
        first = int(rng.integers(len(self._frames)))
        near = self._of[first]
        apart = np.abs(self._flow.pairs[near, 1] - first)
        near, apart = near[apart <= most], apart[apart <= most]
        share = self._reliable[near] / max(self._reliable[near].sum(), 1)
        share[apart == 1] = 0.5
        place = int(rng.choice(near, p=share / share.sum()))
        second = int(self._flow.pairs[place, 1])
        known = self._flow.known[place]
        usable = np.ones(known.shape, bool) if abs(second - first) == 1 else known > 0
        lost = not usable.any()
        usable = np.ones_like(usable) if lost else usable
        chosen = self._pixels(rng, usable, self._share[first])
        y, x = np.divmod(chosen, known.shape[1])
        points = np.stack([x, y], -1).astype(np.float32)
        places = points + self._flow.flow[place][y, x].astype(np.float32)
        seen = (known[y, x] & SEEN) > 0
        weight = np.full(len(x), np.cos((abs(second - first) - 1) / most * np.pi / 2), np.float32)
        weight *= not lost
        if rng.random() < 0.5:
            first, second, points, places = second, first, places, points
            weight *= seen
        rgb = _colors(self._frames[first], points)
        return np.int32(first), np.int32(second), points, places, rgb, weight

    def _pixels(self, rng, usable, share):
        chosen = np.flatnonzero(usable)
        part = share.reshape(-1)[chosen]
        count = self._shape[1]
        return rng.choice(chosen, count, replace=len(chosen) < count, p=part / part.sum())


def _colors(frame: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Returns colours in [0, 1] at places (n, 2), bilinear, 0 outside."""
    height, width = frame.shape[:2]
    corner = np.floor(places).astype(np.int64)
    part = places - corner
    total = np.zeros((len(places), 3), np.float32)
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = corner[:, 0] + dx, corner[:, 1] + dy
            known = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            weight = (part[:, 0] if dx else 1 - part[:, 0]) * (part[:, 1] if dy else 1 - part[:, 1])
            read = frame[np.where(known, y, 0), np.where(known, x, 0)]
            total += (weight * known)[:, None].astype(np.float32) * read.astype(np.float32) / 255
    return total
