"""What a page shows: averages, rows, pairs to look at, and where all of it came from."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Summary = Mapping[str, Any]
Interval = Sequence[float] | None


class Metric(NamedTuple):
    """A number of a summary, and how it is written: times `factor`, with `digits`."""

    key: str
    label: str
    unit: str
    digits: int
    factor: float = 1.0
    higher_is_better: bool = False

    def value(self, summary: Summary | None) -> float | None:
        """Returns the number of a summary of all data or of one part of it, None if unknown."""
        if summary is None:
            return None
        found = summary.get(self.key)
        if isinstance(found, Mapping):
            found = found.get("per_image")
        return None if found is None else self.factor * found

    def interval(self, summary: Summary | None) -> Interval:
        """Returns the bootstrap interval, None if unknown."""
        found = ((summary or {}).get("intervals") or {}).get(self.key)
        return None if found is None else [self.factor * end for end in found]

    def text(self, value: float | int | None, signed: bool = False) -> str:
        """Returns a number as the page writes it, "–" if unknown."""
        if value is None:
            return "–"
        return f"{value:{'+' if signed else ''}.{self.digits}f}".replace("-", "−")

    def range_text(self, interval: Interval) -> str:
        """Returns "[low, high]", nothing if unknown."""
        return "" if interval is None else "[{}, {}]".format(*map(self.text, interval))

    def best(self, values: Sequence[float | int | None]) -> str | None:
        """Returns the text of the best of the known values, None without any."""
        known = [value for value in values if value is not None]
        return self.text((max if self.higher_is_better else min)(known)) if known else None


class Kind(NamedTuple):
    """Words and numbers of a kind of evaluation; `parts` is the key of a summary that holds the
    averages of each data set or clip."""

    title: str
    item: str
    part: str
    parts: str
    metrics: tuple[Metric, ...]
    part_metrics: tuple[Metric, ...]
    note: str


_FLOW = (
    Metric("epe", "EPE", "px", 2),
    Metric("out1", "above 1 px", "%", 1, 100.0),
    Metric("out3", "above 3 px", "%", 1, 100.0),
    Metric("out5", "above 5 px", "%", 1, 100.0),
    Metric("fl_all", "Fl-all", "%", 1, 100.0),
)
FLOW = Kind(
    title="Optical flow",
    item="pair",
    part="data set",
    parts="datasets",
    metrics=_FLOW,
    part_metrics=(
        *_FLOW,
        Metric("epe_visible", "EPE visible", "px", 2),
        Metric("epe_occluded", "EPE occluded", "px", 2),
    ),
    note=(
        "EPE is the distance between estimated and true flow in pixels. Averages are means over "
        "the pairs of a data set, then over data sets."
    ),
)
_RESTORED = (
    Metric("psnr", "PSNR", "dB", 2, higher_is_better=True),
    Metric("ssim", "SSIM", "", 4, higher_is_better=True),
)
RESTORATION = Kind(
    title="Restoration",
    item="clip",
    part="clip",
    parts="clips",
    metrics=_RESTORED,
    part_metrics=_RESTORED,
    note=(
        "PSNR and SSIM are of frames rounded to 8 bits, averaged over the frames of a clip, then "
        "over clips. Higher is better."
    ),
)


class Example(NamedTuple):
    """A pair to look at.

    Attributes:
        reason: why it is shown. scale: speed and error of full colour, pixels, None if not known.
        epe: of every method, pixels. pictures: uint8 (h, w, 3) by (what, method): "first",
            "second" and "truth" of the method "", "flow" and "error" of each method.
    """

    name: str
    dataset: str
    degradation: str
    reason: str
    scale: float | None
    epe: Mapping[str, float]
    pictures: Mapping[tuple[str, str], np.ndarray]


class Content(NamedTuple):
    """All that a page is made of.

    Attributes:
        record: what results.json holds.
        scores: averages by condition (the text of a degradation) and method.
        conditions: (recipe, severity) by condition, in order.
        records: what identifies each method, by name.
        licences: what the data say of their terms, by data set.
    """

    kind: Kind
    record: Mapping[str, Any]
    scores: Mapping[str, Mapping[str, Summary]]
    conditions: Mapping[str, tuple[str, float | int]]
    records: Mapping[str, Mapping[str, Any]]
    examples: Sequence[Example] = ()
    licences: Mapping[str, str] = {}

    @property
    def methods(self) -> list[str]:
        """The names of the methods, the reference of differences first."""
        return list(self.records)
