"""The files of one sequence: raw flow, wheel pictures at one scale, masks, overlay video."""

import itertools
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax import errors, viz
from daflow_jax.io import atomic, flow, image, numpy_files, video

SUFFIX = {
    "flo": ".flo",
    "png16": ".png",
    "pfm": ".pfm",
    "flo5": ".flo5",
    "npy": ".npy",
    "npz": ".npz",
}
FORMATS = (*SUFFIX, "wheel", "overlay")


def parse_formats(text: str) -> list[str]:
    """Returns the formats of a comma-separated list, each once."""
    formats = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in formats:
        if name not in FORMATS:
            raise errors.UserError(f"--formats {name}", "is unknown", errors.nearest(name, FORMATS))
    if not formats:
        raise errors.UserError("--formats", "is empty", f"Known: {', '.join(FORMATS)}")
    return formats


def refuse_existing(path: Path) -> None:
    """Raises UserError if the file exists."""
    if path.exists():
        remedy = "Pass --overwrite, --skip-existing or another --out"
        raise errors.UserError(path, "exists", remedy)


class SequenceOutput:
    """Writes the results of one sequence pair by pair; `finish` draws what needs the whole of it.

    Args:
        folder: where `STEM.flo`, `STEM_wheel.png` and so on go; the overlay goes beside it.
        wheel_max: pixels of full colour, None = the largest speed of the sequence.
        masks: which of "occlusion", "confidence", "uncertainty" to write.
    """

    def __init__(
        self,
        folder: Path,
        formats: list[str],
        wheel_max: float | None,
        masks: tuple[str, ...],
        overwrite: bool,
    ):
        self.folder, self.formats, self.wheel_max = folder, formats, wheel_max
        self.masks, self.overwrite = masks, overwrite
        self.written: list[Path] = []
        self.speeds: list[float] = []
        self._stems: list[str] = []
        self._spool = tempfile.TemporaryDirectory(prefix="daflow-")

    def close(self) -> None:
        """Removes what was kept for the pictures."""
        self._spool.cleanup()

    def write(self, stem: str, result: Any) -> None:
        """Writes the Result of one pair under the name of its first frame."""
        for name in self.formats:
            if name in SUFFIX:
                flow.write_flow(self._new(f"{stem}{SUFFIX[name]}"), result.flow)
        if result.backward is not None:
            suffix = SUFFIX[next((name for name in self.formats if name in SUFFIX), "flo")]
            flow.write_flow(self._new(f"{stem}_back{suffix}"), result.backward)
        if "occlusion" in self.masks:
            picture = np.where(result.occlusion, 255, 0).astype(np.uint8)
            image.write_image(self._new(f"{stem}_occ.png"), picture)
        for name, suffix in (("confidence", "conf"), ("uncertainty", "unc")):
            if name in self.masks:
                data = numpy_files.encode_npy(getattr(result, name))
                atomic.write_bytes(self._new(f"{stem}_{suffix}.npy"), data)
        speed = np.linalg.norm(result.flow, axis=-1)
        self.speeds.append(float(np.quantile(speed, 0.99)))
        self._stems.append(stem)
        if {"wheel", "overlay"} & set(self.formats):
            np.save(self._spooled(len(self._stems) - 1), result.flow)

    def finish(self, frames: Iterable[np.ndarray], fps: float) -> None:
        """Draws the wheel pictures and the overlay video at one scale for the whole sequence."""
        scale = self.wheel_max or max(max(self.speeds), 1.0)
        if "wheel" in self.formats:
            for stem, motion in zip(self._stems, self._flows(), strict=True):
                image.write_image(self._new(f"{stem}_wheel.png"), viz.flow_to_rgb(motion, scale))
        if "overlay" in self.formats:
            self._overlay(frames, fps, scale)

    def _overlay(self, frames, fps, scale):
        path = self._new(f"../{self.folder.name}_overlay.mp4")
        pictures = (
            viz.overlay(frame, motion, scale)
            for frame, motion in zip(frames, self._flows(), strict=False)
        )
        first = next(pictures)
        with video.Writer(path, fps, first.shape[:2]) as writer:
            for picture in itertools.chain([first], pictures):
                writer.write(picture)

    def _flows(self) -> Iterator[np.ndarray]:
        return (np.load(self._spooled(index)) for index in range(len(self._stems)))

    def _spooled(self, index):
        return Path(self._spool.name) / f"{index}.npy"

    def _new(self, name: str) -> Path:
        path = (self.folder / name).resolve() if name.startswith("..") else self.folder / name
        if not self.overwrite:
            refuse_existing(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.written.append(path)
        return path
