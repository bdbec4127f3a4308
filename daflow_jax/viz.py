"""Pictures of flow: colour wheel, errors, arrows, strips. NumPy in, uint8 RGB out."""

from collections.abc import Sequence

import numpy as np

# Middlebury's wheel: number of hues, channel that stays full, channel that moves, its direction.
_RUNS = ((15, 0, 1, 1), (6, 1, 0, -1), (4, 1, 2, 1), (11, 2, 1, -1), (13, 2, 0, 1), (6, 0, 2, -1))


def colour_wheel() -> np.ndarray:
    """Returns the 55 hues of the Middlebury flow wheel, float32 (55, 3), 0..255."""
    hues = []
    for count, full, moving, direction in _RUNS:
        ramp = np.floor(255 * np.arange(count) / count)
        run = np.zeros((count, 3), np.float32)
        run[:, full] = 255
        run[:, moving] = ramp if direction > 0 else 255 - ramp
        hues.append(run)
    return np.concatenate(hues)


def flow_to_rgb(
    flow: np.ndarray, max_speed: float | int | None = None, valid: np.ndarray | None = None
) -> np.ndarray:
    """Returns the colour wheel picture of flow (h, w, 2), uint8 (h, w, 3) (Baker et al. 2011).

    Hue is the direction, saturation the speed: white = no motion, full colour = `max_speed`,
    darker = faster than it.

    Args:
        max_speed: in pixels; None takes the largest speed of this flow. Give one number to a whole
            sequence, or its colours flicker.
        valid: bool (h, w); other pixels, and those that are not finite, become black.
    """
    flow = np.asarray(flow, np.float32)
    shown = np.all(np.isfinite(flow), axis=-1)
    shown = np.asarray(shown if valid is None else shown & valid)
    x, y = np.moveaxis(np.where(shown[..., None], flow, 0).astype(np.float32), -1, 0)
    speed = np.hypot(x, y)
    scale = (float(speed.max(initial=0.0)) if max_speed is None else max_speed) + 1e-5
    rgb = _wheel_colours((x / scale).astype(np.float32), (y / scale).astype(np.float32))
    rgb[~shown] = 0
    return rgb


def _wheel_colours(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the colours of unit-disc vectors; beyond the disc they are darkened."""
    wheel = colour_wheel() / 255
    radius = np.hypot(x, y)[..., None]
    place = (np.arctan2(-y, -x) / np.pi + 1) / 2 * (len(wheel) - 1)
    low = np.floor(place).astype(np.int32)
    part = (place - low)[..., None]
    hue = (1 - part) * wheel[low] + part * wheel[(low + 1) % len(wheel)]
    colour = np.where(radius <= 1, 1 - radius * (1 - hue), 0.75 * hue)
    return np.floor(255 * colour).astype(np.uint8)


def error_to_rgb(
    flow: np.ndarray,
    target: np.ndarray,
    valid: np.ndarray | None = None,
    max_error: float | int = 5.0,
) -> np.ndarray:
    """Returns the end-point error as uint8 (h, w, 3): black, red, yellow, white = `max_error` px.

    Invalid pixels are blue-grey, which no error has.
    """
    error = np.linalg.norm(np.asarray(flow, np.float32) - target, axis=-1)
    shown = np.isfinite(error) if valid is None else np.isfinite(error) & valid
    level = 3 * np.clip(np.where(shown, error, 0) / max_error, 0, 1)
    rgb = np.rint(255 * np.clip(level[..., None] - np.arange(3), 0, 1)).astype(np.uint8)
    rgb[~shown] = (60, 70, 90)
    return rgb


def arrows(frame: np.ndarray, flow: np.ndarray, step: int | None = None) -> np.ndarray:
    """Returns the frame with the flow drawn as arrows at their true length, uint8 (h, w, 3).

    Args:
        step: pixels between arrows; None gives about 30 across the longer side.
    """
    import cv2

    picture = np.ascontiguousarray(_as_uint8(frame))
    height, width = flow.shape[:2]
    every = step or max(max(height, width) // 30, 8)
    for y in range(every // 2, height, every):
        for x in range(every // 2, width, every):
            if np.isfinite(flow[y, x]).all():
                tip = np.clip(np.rint(flow[y, x] + (x, y)), -32768, 32767).astype(int).tolist()
                for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
                    cv2.arrowedLine(picture, (x, y), tip, colour, thickness, cv2.LINE_AA, 0, 0.25)
    return picture


def overlay(
    frame: np.ndarray, flow: np.ndarray, max_speed: float | int | None = None
) -> np.ndarray:
    """Returns frame, colour wheel and arrows side by side, uint8 (h, 3 w, 3)."""
    return strip([frame, flow_to_rgb(flow, max_speed), arrows(frame, flow)], gap=0)


def strip(pictures: Sequence[np.ndarray], gap: int = 2) -> np.ndarray:
    """Returns pictures of one height side by side, uint8 (h, w, 3), `gap` white columns between."""
    parts = [_as_uint8(picture) for picture in pictures]
    heights = sorted({part.shape[0] for part in parts})
    if len(heights) != 1:
        raise ValueError(f"pictures have heights {heights}; a strip has one; resize them")
    line = np.full((heights[0], gap, 3), 255, np.uint8)
    joined = [piece for part in parts for piece in (part, line)][:-1]
    return np.concatenate(joined, axis=1)


def sheet(rows: Sequence[Sequence[np.ndarray]], gap: int = 2) -> np.ndarray:
    """Returns a contact sheet: a strip a row, rows below each other, padded white to one width."""
    strips = [strip(row, gap) for row in rows]
    width = max(part.shape[1] for part in strips)
    padded = []
    for part in strips:
        pad = ((0, gap), (0, width - part.shape[1]), (0, 0))
        padded.append(np.pad(part, pad, constant_values=255))
    return np.concatenate(padded)[: -gap or None]


def labels_to_rgb(labels: np.ndarray) -> np.ndarray:
    """Returns labels (h, w) as uint8 (h, w, 3): 0 is dark grey, others have hues far apart."""
    numbers = np.arange(int(labels.max(initial=0)) + 1)
    hues = (numbers * 0.618034) % 1  # the golden ratio: neighbours differ most
    wave = np.abs((hues[:, None] * 6 + np.array((0, 4, 2))) % 6 - 3) - 1
    table = np.rint(255 * (0.25 + 0.7 * np.clip(wave, 0, 1))).astype(np.uint8)
    table[0] = 60
    return table[labels]


def labels_overlay(frame: np.ndarray, labels: np.ndarray, share: float = 0.5) -> np.ndarray:
    """Returns the frame, uint8 (h, w, 3), tinted by `labels_to_rgb`, with black lines between
    labels; label 0 stays as it is.
    """
    picture = _as_uint8(frame).astype(np.float32)
    tinted = (1 - share) * picture + share * labels_to_rgb(labels)
    picture = np.where(labels[..., None] > 0, tinted, picture)
    edge = np.zeros(labels.shape, bool)
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[1:] |= labels[1:] != labels[:-1]
    picture[edge] = 0
    return np.rint(picture).astype(np.uint8)


def tracks(
    frame: np.ndarray, positions: np.ndarray, visible: np.ndarray, number: int, trail: int = 6
) -> np.ndarray:
    """Returns a frame with points and where they came from, uint8 (h, w, 3).

    Args:
        positions: (n, t, 2), (x, y) in pixels. visible: (n, t); hidden points are rings, and their
            trails are left out. number: of the frame. trail: frames that are shown of it.
    """
    import cv2

    picture = np.ascontiguousarray(_as_uint8(frame))
    start = positions[:, 0] - positions[:, 0].mean(0)
    hues = np.mod(np.arctan2(start[:, 1], start[:, 0]) / (2 * np.pi), 1)
    wave = np.abs((hues[:, None] * 6 + np.array((0, 4, 2))) % 6 - 3) - 1
    colours = np.rint(255 * np.clip(wave, 0, 1)).astype(int).tolist()
    size = max(min(frame.shape[:2]) // 120, 1)
    places = np.rint(np.clip(positions, -32768, 32767)).astype(int)
    first = max(number - trail, 0)
    for index, colour in enumerate(colours):
        for k in range(first, number):
            if visible[index, k] and visible[index, k + 1]:
                ends = places[index, k].tolist(), places[index, k + 1].tolist()
                cv2.line(picture, *ends, colour, size, cv2.LINE_AA)
        here = places[index, number].tolist()
        filled = -1 if visible[index, number] else 1
        cv2.circle(picture, here, size + 1, colour, filled, cv2.LINE_AA)
    return picture


def _as_uint8(picture: np.ndarray) -> np.ndarray:
    """Returns the picture as uint8 RGB: uint16 is cut to 8 bits, floats in [0, 1] are scaled."""
    picture = np.asarray(picture)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, -1)
    if picture.dtype == np.uint16:
        return (picture >> 8).astype(np.uint8)
    if np.issubdtype(picture.dtype, np.floating):
        return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)
    return picture.astype(np.uint8)
