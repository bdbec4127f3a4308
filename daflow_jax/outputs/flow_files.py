"""The files of one sequence: raw flow, wheel pictures at one scale, masks, overlay video."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax import errors, viz
from daflow_jax.io import atomic, flow, image, numpy_files, video
from daflow_jax.outputs import leftovers, targets
from daflow_jax.outputs.spool import Spool

SUFFIX = {
    "flo": ".flo",
    "png16": ".png",
    "pfm": ".pfm",
    "flo5": ".flo5",
    "npy": ".npy",
    "npz": ".npz",
    "exr": ".exr",
    "tif": ".tif",
    "stmap": ".stmap.exr",
}
FORMATS = (*SUFFIX, "wheel", "overlay")
_EXACT = ("npy", "flo", "pfm", "npz")  # read back as they were
_MASKS = {"occlusion": "_occ.png", "confidence": "_conf.npy", "uncertainty": "_unc.npy"}
_DRAWN = 4  # [choice] pictures drawn at once
_LEAST = 1.0  # [choice] pixels of full colour at least: noise of a still clip stays pale


def parse_formats(text: str, known: Sequence[str] = FORMATS) -> list[str]:
    """Returns the formats of a comma-separated list, each once; unknown ones are a UserError."""
    formats = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in formats:
        if name not in known:
            raise errors.UserError(f"--formats {name}", "is unknown", errors.nearest(name, known))
    if not formats:
        raise errors.UserError("--formats", "is empty", f"Known: {', '.join(known)}")
    return formats


class FlowFiles:
    """Writes the results of one sequence pair by pair.

    With a `wheel_max` pictures and overlay are written at once. Without, they wait for the largest
    speed of the sequence: `finish` reads raw flow back from the results, and only where there is
    none (or one without loss) flows wait as temporary files.

    Args:
        folder: where `STEM.flo`, `STEM_wheel.png` and so on go; the overlay goes beside it.
        wheel_max: pixels of full colour, None = the largest speed of the sequence.
        masks: which of "occlusion", "confidence", "uncertainty" to write.
        existing: what happens to files that exist.
        fps: mean frames per second of the overlay.
        source: the video whose sound the overlay gets, or None.
    """

    def __init__(
        self,
        folder: Path,
        formats: list[str],
        wheel_max: float | None = None,
        masks: tuple[str, ...] = (),
        existing: targets.Existing = "refuse",
        fps: float | int = 25,
        source: Path | None = None,
    ):
        self.folder, self.formats, self.wheel_max = folder, formats, wheel_max
        self.masks = masks
        self.existing: targets.Existing = existing
        self._film = _Film(self.overlay, existing, fps, source)
        self.written: list[Path] = []
        self.kept = 0
        self.fastest = 0.0  # the largest p99 of speed, pixels
        self._waiting: list[tuple[str, Path]] = []  # stem, where its flow is read from
        self._spool = Spool()
        leftovers.clean_folder(folder)
        leftovers.clean_folder(folder.parent)

    @property
    def overlay(self) -> Path:
        """The overlay video."""
        return self.folder.parent / f"{self.folder.name}_overlay.mp4"

    def expected(self, stem: str, backward: bool = False) -> list[Path]:
        """Returns the files of one pair, as `write` and `finish` make them."""
        suffixes = [SUFFIX.get(name, "_wheel.png") for name in self.formats if name != "overlay"]
        suffixes += [self._back_suffix()] if backward else []
        suffixes += [_MASKS[name] for name in self.masks]
        return [self.folder / f"{stem}{suffix}" for suffix in suffixes]

    def write(self, stem: str, result: Any, frame: video.Frame | None = None) -> None:
        """Writes the Result of one pair under the name of its first frame.

        `frame` is that frame, which an overlay of known `wheel_max` needs now.
        """
        raw = self._raw(stem, result)
        if "occlusion" in self.masks:
            picture = np.where(result.occlusion, 255, 0).astype(np.uint8)
            self._new(f"{stem}_occ.png", lambda path: image.write_image(path, picture))
        for name in ("confidence", "uncertainty"):
            if name in self.masks:
                data = numpy_files.encode_npy(getattr(result, name))
                self._new(f"{stem}{_MASKS[name]}", lambda p, d=data: atomic.write_bytes(p, d))
        speed = float(np.quantile(np.linalg.norm(result.flow, axis=-1), 0.99))
        self.fastest = max(self.fastest, speed)
        if self.wheel_max is not None:
            self._wheel(stem, result.flow, self.wheel_max)
            if frame is not None and "overlay" in self.formats:
                self._draw(frame, result.flow, self.wheel_max)
        elif {"wheel", "overlay"} & set(self.formats):
            raw = raw or self._spool.save(str(len(self._waiting)), result.flow)
            self._waiting.append((stem, raw))

    def finish(self, frames: Iterable[video.Frame] = ()) -> None:
        """Draws what waited for the scale of the whole sequence; `frames` are the first ones of
        every pair, for an overlay."""
        scale = self.wheel_max or max(self.fastest, _LEAST)
        if "wheel" in self.formats:
            self._wheels(scale)
        if "overlay" in self.formats:
            for (_, path), frame in zip(self._waiting, frames, strict=False):
                self._draw(frame, self._flow(path), scale)
        self.written += self._film.close()

    def close(self) -> None:
        """Removes what was kept for the pictures, and the overlay if it was not finished."""
        self._spool.close()
        self._film.drop()

    def _raw(self, stem: str, result: Any) -> Path | None:
        """Returns an exact file of the flow that was written now, None if there is none."""
        exact = None
        for name in self.formats:
            if name in SUFFIX:
                path = self._new(f"{stem}{SUFFIX[name]}", _writes(result.flow))
                exact = path if path and name in _EXACT else exact
        if result.backward is not None:
            self._new(f"{stem}{self._back_suffix()}", _writes(result.backward))
        return exact

    def _back_suffix(self) -> str:
        return "_back" + SUFFIX[next((name for name in self.formats if name in SUFFIX), "flo")]

    def _wheels(self, scale: float) -> None:
        """Draws what waited, several at a time: nothing else is left to do."""

        def draw(waiting: tuple[str, Path]) -> None:
            self._wheel(waiting[0], self._flow(waiting[1]), scale)

        with ThreadPoolExecutor(min(os.cpu_count() or 1, _DRAWN)) as pool:
            list(pool.map(draw, self._waiting))

    def _wheel(self, stem: str, motion: np.ndarray, scale: float) -> None:
        if "wheel" in self.formats:
            name = f"{stem}_wheel.png"
            self._new(name, lambda path: image.write_image(path, viz.flow_to_rgb(motion, scale)))

    def _draw(self, frame: video.Frame, motion: np.ndarray, scale: float) -> None:
        self._film.add(lambda: viz.overlay(frame.pixels, motion, scale), frame.stamp)

    def _flow(self, path: Path) -> np.ndarray:
        """Returns a flow that was written before."""
        spooled = path.parent != self.folder
        return np.load(path).astype(np.float32) if spooled else flow.read_flow(path)[0]

    def _new(self, name: str, write: Callable[[Path], Any]) -> Path | None:
        """Returns the file after writing it, None if it was there and is kept."""
        path = self.folder / name
        if not targets.is_wanted(path, self.existing):
            self.kept += 1
            return None
        write(path)
        self.written.append(path)
        return path


def _writes(motion: np.ndarray) -> Callable[[Path], Any]:
    return lambda path: flow.write_flow(path, motion)


class _Film:
    """A video of pictures with stamps, unless it exists and is kept."""

    def __init__(
        self, path: Path, existing: targets.Existing, fps: float | int, source: Path | None
    ):
        self._path, self._fps, self._source = path, fps, source
        self._existing: targets.Existing = existing
        self._writer: video.Writer | None = None
        self._wanted: bool | None = None

    def add(self, draw: Callable[[], np.ndarray], stamp: video.Stamp) -> None:
        if self._wanted is None:
            self._wanted = targets.is_wanted(self._path, self._existing)
        if not self._wanted:
            return
        picture = draw()
        if self._writer is None:
            size = picture.shape[:2]
            self._writer = video.Writer(self._path, self._fps, size, audio_of=self._source)
        self._writer.write(picture, stamp.time, stamp.duration)

    def close(self) -> list[Path]:
        """Returns the file, if one was written."""
        if self._writer is None:
            return []
        self._writer.close()
        return [self._path]

    def drop(self) -> None:
        """Removes what was not closed."""
        if self._writer is not None:
            self._writer.__exit__(RuntimeError, RuntimeError("not finished"), None)
