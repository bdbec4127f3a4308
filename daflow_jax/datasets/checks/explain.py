"""Does a flow explain its two frames? Warping by it is compared with no motion at all."""

import dataclasses

import cv2
import numpy as np

POINTS = 20000  # pixels compared, spread evenly over those that are known and visible
LEAST_INSIDE = 0.2  # a reading is judged only if this share of the points stays in the frame
MOVES = 0.5  # mean speed in pixels from which a flow must be better than no motion
DIFFERS = 2.0  # [choice] levels of 255 by which frames of a still scene do not differ
NO_BETTER = 0.95  # [choice] of the difference without motion; true flow was seen at 0.07 to 0.47
GUESS = 0.6  # [choice] another reading is named if it leaves this share of the difference


@dataclasses.dataclass(frozen=True)
class Fit:
    """How well a flow explains its frames.

    Attributes:
        ratio: difference of frame 1 and warped frame 2, as a share of that without motion; None
            where there are too few points, or frames that do not differ.
        zero: mean absolute difference of the frames without motion, in levels of 255.
        speed: mean speed in pixels.
        reading: another reading of the numbers that explains the frames far better, or "".
        reading_ratio: its ratio.
    """

    ratio: float | None
    zero: float
    speed: float
    reading: str = ""
    reading_ratio: float | None = None

    @property
    def problem(self) -> str:
        """What is wrong, as a sentence without its subject; "" if nothing is."""
        if self.ratio is None:
            return ""
        if self.speed == 0 and self.zero >= DIFFERS and not self.reading:
            return f"is zero everywhere, but the frames differ by {self.zero:.1f} levels"
        hint = f"; {self.reading} would ({self.reading_ratio:.2f})" if self.reading else ""
        if self.speed >= MOVES and self.ratio >= NO_BETTER:
            return f"does not explain the frames: {self.ratio:.2f} of no motion{hint}"
        if self.reading:
            return f"explains the frames badly: {self.ratio:.2f} of no motion{hint}"
        return ""


def explain(
    first: np.ndarray,
    second: np.ndarray,
    flow: np.ndarray,
    valid: np.ndarray,
    occluded: np.ndarray | None = None,
) -> Fit:
    """Returns how well `flow` (h, w, 2) explains the frames (h, w, 3), uint8 or uint16.

    Only known and visible pixels whose targets lie in the frame count. Frames are blurred slightly,
    so that noise does not hide small motions.
    """
    seen = valid if occluded is None else valid & ~occluded
    places = np.flatnonzero(seen)
    if not places.size:
        return Fit(None, 0.0, 0.0)
    places = places[:: max(places.size // POINTS, 1)][:POINTS]
    y, x = (axis.astype(np.float32) for axis in np.divmod(places, flow.shape[1]))
    moves = flow.reshape(-1, 2)[places]
    speed = float(np.linalg.norm(moves, axis=-1).mean())
    pictures = [_smooth(picture) for picture in (first, second)]
    still = np.abs(_sample(pictures[0], x, y) - _sample(pictures[1], x, y)).mean(-1)
    points = _Points(pictures[1], _sample(pictures[0], x, y), still, x, y)
    ratio = points.ratio(moves)
    if ratio is None:
        return Fit(None, float(still.mean()), speed)
    readings = _readings(moves, flow.shape[:2])
    readings["rows in reverse order"] = flow[::-1].reshape(-1, 2)[places]
    rest = {name: points.ratio(other) for name, other in readings.items()}
    known = {name: value for name, value in rest.items() if value is not None}
    best = min(known, key=known.__getitem__, default="")
    bound = GUESS * min(ratio, 1.0)
    if not best or known[best] > bound:
        return Fit(ratio, float(still.mean()), speed)
    return Fit(ratio, float(still.mean()), speed, best, known[best])


@dataclasses.dataclass(frozen=True)
class _Points:
    """The chosen pixels, their colours in frame 1 and their differences without motion."""

    second: np.ndarray
    colours: np.ndarray
    still: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def ratio(self, moves: np.ndarray) -> float | None:
        """Returns the difference with these moves as a share of that without motion."""
        height, width = self.second.shape[:2]
        x, y = self.x + moves[:, 0], self.y + moves[:, 1]
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        still = float(self.still[inside].mean()) if inside.any() else 0.0
        if inside.mean() < LEAST_INSIDE or still < 0.1:
            return None
        moved = np.abs(_sample(self.second, x[inside], y[inside]) - self.colours[inside])
        return float(moved.mean()) / still


def _readings(moves: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Returns the moves as they would be under the mistakes that people make."""
    height, width = shape
    return {
        "the opposite direction": -moves,
        "x and y exchanged": moves[:, ::-1],
        "x negated": moves * np.array([-1, 1], np.float32),
        "y negated": moves * np.array([1, -1], np.float32),
        "half the numbers": moves / 2,
        "twice the numbers": moves * 2,
        "an eighth of the numbers": moves / 8,
        "8 times the numbers": moves * 8,
        "20 times the numbers": moves * 20,
        "shares of the frame's size": moves * np.array([width, height], np.float32),
        "shares of half the frame's size": moves * np.array([width / 2, height / 2], np.float32),
    }


def _smooth(picture: np.ndarray) -> np.ndarray:
    levels = picture.astype(np.float32) / (257 if picture.dtype == np.uint16 else 1)
    return cv2.GaussianBlur(levels, (0, 0), 0.8)


def _sample(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the colours (n, 3) at the points, bilinear; n at most `POINTS` fits cv2's limit."""
    x_map, y_map = (np.ascontiguousarray(axis, np.float32)[None] for axis in (x, y))
    return cv2.remap(picture, x_map, y_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]


def warp(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Returns frame 2 brought to frame 1's grid by the flow, uint8 (h, w, 3), for pictures."""
    height, width = flow.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    x_map, y_map = cv2.split(grid + flow)
    levels = (picture >> 8).astype(np.uint8) if picture.dtype == np.uint16 else picture
    return cv2.remap(levels, x_map, y_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
