"""Describes clips: sizes, lengths, and how fast and where to things move."""

import collections
import itertools
from typing import Any

import numpy as np

from daflow_jax.datasets import Clip
from daflow_jax.datasets.clip import Motion

_EDGES = np.concatenate([[0.0], np.geomspace(0.01, 4096, 400), [np.inf]])  # of speeds, in pixels
BANDS = {"s0_1": (0, 1), "s1_10": (1, 10), "s10_40": (10, 40), "s40": (40, np.inf)}
DIRECTIONS = ("right", "down", "left", "up")  # x is right, y is down
QUANTILES = (0.5, 0.9, 0.99)


class Summary:
    """Adds up what is seen of a group of clips; `result` says it."""

    def __init__(self):
        self.sizes: collections.Counter[str] = collections.Counter()
        self.lengths: list[int] = []
        self._speeds = np.zeros(len(_EDGES) - 1, np.int64)
        self._directions = np.zeros(4)
        self._bands = dict.fromkeys(BANDS, 0)
        self._sums: collections.Counter[str] = collections.Counter()
        self._fastest = self._total = 0.0

    def add(self, clip: Clip, max_flows: int | None = None) -> None:
        """Reads the first frame and the forward flows of a clip; a broken file is a `UserError`."""
        clip.check()
        first = next(iter(clip.pictures()))
        motions = itertools.islice((t.read() for t in clip.truth if t), max_flows)
        for motion in motions:
            self._add_motion(motion)
        self.sizes[f"{first.shape[1]}x{first.shape[0]}"] += 1
        self.lengths.append(len(clip))

    def _add_motion(self, motion: Motion) -> None:
        flow = motion.flow[motion.valid].astype(np.float64)
        speed = np.linalg.norm(flow, axis=-1)
        self._speeds += np.histogram(speed, _EDGES)[0]
        for band, (low, high) in BANDS.items():
            self._bands[band] += int(((speed >= low) & (speed < high)).sum())
        quarter = np.rint(np.arctan2(flow[:, 1], flow[:, 0]) / (np.pi / 2)).astype(int) % 4
        self._directions += np.bincount(quarter[speed > 0.5], minlength=4)
        self._sums.update(flows=1, pixels=motion.valid.size, known=len(flow))
        self._total += float(speed.sum())
        if motion.occluded is not None:
            known = motion.occluded[motion.valid]
            self._sums.update(masked=known.size, occluded=int(known.sum()))
        self._fastest = max(self._fastest, float(speed.max(initial=0.0)))

    def result(self) -> dict[str, Any]:
        """Returns the description; speeds in pixels, shares from 0 to 1, None where unknown.

        Quantiles are read from a histogram of 3 % wide bins.
        """
        sums, moving = self._sums, self._directions.sum()
        known = sums["known"]
        described: dict[str, Any] = {
            "clips": len(self.lengths),
            "frames": sum(self.lengths),
            "frames_per_clip": [min(self.lengths), int(np.median(self.lengths)), max(self.lengths)]
            if self.lengths
            else None,
            "sizes": dict(self.sizes.most_common()),
            "flows": sums["flows"],
        }
        if not known:
            return described
        return described | {
            "known": known / sums["pixels"],
            "occluded": sums["occluded"] / sums["masked"] if sums["masked"] else None,
            "speed": {"mean": self._total / known, **self._quantiles(), "max": self._fastest},
            "bands": {band: count / known for band, count in self._bands.items()},
            "directions": {
                name: float(count / moving) if moving else None
                for name, count in zip(DIRECTIONS, self._directions)
            },
        }

    def _quantiles(self) -> dict[str, float]:
        shares = np.cumsum(self._speeds) / self._speeds.sum()
        upper = np.minimum(_EDGES[1:], self._fastest)
        return {f"p{q * 100:g}": float(upper[np.searchsorted(shares, q)]) for q in QUANTILES}
