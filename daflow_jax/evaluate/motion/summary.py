"""What a motion score holds, and how it is made of the flow of a few pairs."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from daflow_jax.evaluate.motion import camera

STILL = 0.25  # [choice] px at the size of estimation: what moves less between two frames is still


class Cut(NamedTuple):
    """frame: number of the first frame after it, from 0. time: of that frame from the first one on,
    in seconds, None where no times are known."""

    frame: int
    time: float | None


@dataclasses.dataclass(frozen=True)
class MotionScore:
    """How a video moves. Speeds are means and percentiles over the pixels of all sampled pairs.

    Attributes:
        frames: number of frames.
        height, width: of the frames, pixels.
        seconds: how long they are shown, None where no times are known.
        fps: mean frames per second, or None.
        per: "second", or "frame" where no times are known: the unit of time of the speeds below.
        pairs: sampled pairs of neighbouring frames; 0 where every pair crosses a cut, and then
            speeds and shares are None.
        estimated: (height, width) at which the flow was estimated.
        pixels_mean, pixels_p50, pixels_p95: pixels of the video between neighbouring frames.
        sides_mean, sides_p50, sides_p95: shares of the longer side per `per`.
        static_share: of the pixels that move less than `STILL` at the size of estimation.
        camera_mean: speed of the motion that `camera.fit` explains, sides per `per`.
        object_mean: speed against that motion, sides per `per`.
        camera_share: camera_mean / (camera_mean + object_mean), None where nothing moves.
        object_area: share of the pixels that move against the camera by `STILL` or more.
        cuts: where the scene changes at once.
        blockiness, noise, blur: see `degradation`; None for frames that are too small.
    """

    frames: int
    height: int
    width: int
    seconds: float | None
    fps: float | None
    per: str
    pairs: int
    estimated: tuple[int, int]
    pixels_mean: float | None
    pixels_p50: float | None
    pixels_p95: float | None
    sides_mean: float | None
    sides_p50: float | None
    sides_p95: float | None
    static_share: float | None
    camera_mean: float | None
    object_mean: float | None
    camera_share: float | None
    object_area: float | None
    cuts: tuple[Cut, ...]
    blockiness: float | None
    noise: float | None
    blur: float | None

    def record(self) -> dict[str, Any]:
        """Returns the score as JSON can hold it, numbers to six significant digits."""
        found = {key: _rounded(value) for key, value in vars(self).items()}
        cuts = [{"frame": cut.frame, "time": _rounded(cut.time)} for cut in self.cuts]
        return {**found, "estimated": list(self.estimated), "cuts": cuts}


class Motion(NamedTuple):
    """The flow of one pair: (h, w, 2), pixels of the size of estimation, and the seconds between
    its frames, None where they are not known."""

    flow: np.ndarray
    seconds: float | None


def speeds(motions: list[Motion], size: tuple[int, int]) -> dict[str, float | None]:
    """Returns speeds and shares by name, as in `MotionScore`; `size`: (height, width) of frames."""
    if not motions:
        names = [
            f"{unit}_{name}" for unit in ("pixels", "sides") for name in ("mean", "p50", "p95")
        ]
        return dict.fromkeys((*names, "static_share", *_CAMERA))
    scales = [_scale(motion, size) for motion in motions]
    fits = [camera.fit(motion.flow) for motion in motions]
    pixels = _lengths([m.flow * scale for m, scale in zip(motions, scales)])
    rates = [1 / (max(size) * (motion.seconds or 1.0)) for motion in motions]

    def in_sides(flows: list[np.ndarray]) -> np.ndarray:
        return _lengths([flow * scale * rate for flow, scale, rate in zip(flows, scales, rates)])

    flows, against = [m.flow for m in motions], [m.flow - f for m, f in zip(motions, fits)]
    still = float((_lengths(flows) < STILL).mean())
    moved = float((_lengths(against) >= STILL).mean())
    by_camera, by_objects = float(in_sides(fits).mean()), float(in_sides(against).mean())
    both = by_camera + by_objects
    return {
        **_statistics("pixels", pixels),
        **_statistics("sides", in_sides(flows)),
        "static_share": still,
        "camera_mean": by_camera,
        "object_mean": by_objects,
        "camera_share": by_camera / both if still < 1 and both else None,
        "object_area": moved,
    }


_CAMERA = ("camera_mean", "object_mean", "camera_share", "object_area")


def _scale(motion: Motion, size: tuple[int, int]) -> np.ndarray:
    """Returns pixels of the video per pixel of the estimation, (x, y)."""
    height, width = motion.flow.shape[:2]
    return np.array([size[1] / width, size[0] / height], np.float32)


def _lengths(flows: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.hypot(flow[..., 0], flow[..., 1]).ravel() for flow in flows])


def _statistics(unit: str, values: np.ndarray) -> dict[str, float]:
    p50, p95 = np.percentile(values, (50, 95))
    mean = values.mean(dtype=np.float64)
    return {f"{unit}_mean": float(mean), f"{unit}_p50": float(p50), f"{unit}_p95": float(p95)}


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value
