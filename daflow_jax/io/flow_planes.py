"""Flow as three float32 planes for compositing: in OpenEXR (.exr) and 32-bit TIFF (.tif).

Flow: R = x and G = y in pixels (y down, as in .flo), B = 1 where the flow is known.
STMap: where to look the pixel up, in shares of the width and the height, G from the bottom up, as
compositing programs count; pixel centres lie at 0.5. B = 1 where the flow is known. A program that
looks the second frame up by it gets that frame warped onto the first.
"""

from pathlib import Path

import cv2
import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import exr_file, image

STMAP = ".stmap"  # before the extension: "0001.stmap.exr"
_PAIRS = (("R", "G"), ("forward.u", "forward.v"), ("u", "v"), ("X", "Y"))


def decode(data: bytes, where: object, extension: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns flow float32 (h, w, 2) and, if there is a third plane, valid bool (h, w)."""
    if extension == ".exr":
        planes = exr_file.decode(data, where)
    else:
        planes = _tiff(data, where)
    pair = next((pair for pair in _PAIRS if set(pair) <= set(planes)), None)
    if pair is None:
        rule = f"holds channels {', '.join(sorted(planes))[:60]}; flow has R and G"
        raise UserError(where, rule, "Write x as R and y as G")
    flow = np.stack([planes[name] for name in pair], -1)
    valid = planes["B"] > 0 if pair == ("R", "G") and "B" in planes else None
    return (_from_stmap(flow) if is_stmap(where) else flow), valid


def write(path: Path, name: object, flow: np.ndarray, valid: np.ndarray) -> None:
    """Writes flow (h, w, 2), 0 where not valid, to exactly `path`; `name` says whether as STMap."""
    values = _to_stmap(flow) if is_stmap(name) else flow
    planes = np.where(valid[..., None], values, 0).astype(np.float32)
    channels = {"R": planes[..., 0], "G": planes[..., 1], "B": valid.astype(np.float32)}
    if path.suffix.lower() == ".exr":
        exr_file.write(path, channels)
        return
    stacked = np.stack([channels[name] for name in "BGR"], -1)  # OpenCV's order
    done, data = cv2.imencode(".tiff", stacked)
    if not done:
        raise UserError(name, "cannot be encoded as TIFF", "Use .exr")
    path.write_bytes(data.tobytes())


def is_stmap(name: object) -> bool:
    """Returns whether the name of a file ends like an STMap's."""
    return Path(str(name)).stem.lower().endswith(STMAP)


def _tiff(data: bytes, where: object) -> dict[str, np.ndarray]:
    stored = image.decode(data, where)
    channels = 1 if stored.ndim == 2 else stored.shape[-1]
    if stored.dtype != np.float32 or channels != 3:
        rule = f"{8 * stored.dtype.itemsize}-bit {stored.dtype.kind} with {channels} channels"
        raise UserError(where, f"{rule}; flow in .tif is 32-bit float with 3", "Use .exr or .flo")
    return {name: stored[..., index] for index, name in enumerate("BGR")}


def _centres(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    height, width = shape[:2]
    return np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5


def _to_stmap(flow: np.ndarray) -> np.ndarray:
    (x, y), (height, width) = _centres(flow.shape), flow.shape[:2]
    flow = flow.astype(np.float64)
    return np.stack([(x + flow[..., 0]) / width, 1 - (y + flow[..., 1]) / height], -1)


def _from_stmap(values: np.ndarray) -> np.ndarray:
    (x, y), (height, width) = _centres(values.shape), values.shape[:2]
    values = values.astype(np.float64)
    return np.stack([values[..., 0] * width - x, (1 - values[..., 1]) * height - y], -1).astype(
        np.float32
    )
