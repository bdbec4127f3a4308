"""OpenEXR: planes of floating-point values by channel name. Needs the package OpenEXR."""

import contextlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import limits, quiet

MAGIC = b"\x76\x2f\x31\x01"
_TOLD = "Warning: Exception raised reading pixel data"
_REMEDY = "The file is cut or damaged: copy it again"


def _openexr(where: object):
    try:
        import OpenEXR
    except ImportError:
        remedy = "Install daflow-jax[exr]"
        raise UserError(where, ".exr files need the package OpenEXR", remedy, code=3) from None
    return OpenEXR


def decode(data: bytes, where: object) -> dict[str, np.ndarray]:
    """Returns channel name -> float32 (h, w) of the first part; its size is checked first."""
    library = _openexr(where)
    if not data.startswith(MAGIC):
        raise UserError(where, f"starts with {data[:4]!r}, which is not OpenEXR", _REMEDY)
    try:
        first, last = _quiet(lambda: _window(library, data), where)
        width, height = (int(b) - int(a) + 1 for a, b in zip(first, last, strict=True))
        limits.check_size(where, width, height)
        planes = _quiet(lambda: _planes(library, data), where)
    except UserError:
        raise
    except Exception as error:  # the library raises RuntimeError, ValueError and its own
        raise UserError(where, "damaged or not a readable OpenEXR file", _REMEDY) from error
    whole = {n: np.asarray(p, np.float32) for n, p in planes.items() if p.shape == (height, width)}
    if not whole:
        raise UserError(where, "holds no channel of full size", "Write it as flat pixels")
    return whole


def _quiet(read: Callable[[], Any], where: object) -> Any:
    """Returns what `read` does; the library tells of damage on standard error and goes on."""
    found, damage = quiet.call(read)
    if damage:
        raise UserError(where, f"damaged OpenEXR file ({damage})", _REMEDY)
    return found


def _window(library: Any, data: bytes) -> Any:
    with library.File(io.BytesIO(data), header_only=True) as file:
        return file.header()["dataWindow"]


def _planes(library: Any, data: bytes) -> dict[str, np.ndarray]:
    """Returns the pixels; the library prints that a part is damaged and leaves its pixels out."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        with library.File(io.BytesIO(data), separate_channels=True) as file:
            planes = {name: channel.pixels for name, channel in file.channels().items()}
    others = [x for x in told.getvalue().splitlines(True) if not x.startswith(_TOLD)]
    print(*others, sep="", end="")
    if _TOLD in told.getvalue():
        raise ValueError(_TOLD)
    return planes


def write(path: Path, planes: Mapping[str, np.ndarray]) -> None:
    """Writes float32 planes (h, w) by channel name, without loss (ZIP), to exactly `path`."""
    library = _openexr(path)
    header = {"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}
    channels = {name: np.ascontiguousarray(p, np.float32) for name, p in planes.items()}
    library.File(header, channels).write(str(path))


def decode_picture(data: bytes, where: object) -> np.ndarray:
    """Returns RGB uint16 (h, w, 3): linear light of 0 to 1 with sRGB's curve, the rest clipped.

    A channel "Y" alone is grey. NaN becomes 0.
    """
    planes = decode(data, where)
    names = ("R", "G", "B") if "R" in planes else ("Y", "Y", "Y")
    missing = [name for name in names if name not in planes]
    if missing:
        rule = f"holds channels {', '.join(sorted(planes))[:60]}; a picture has R, G and B, or Y"
        raise UserError(where, rule, "Write it with these channels")
    linear = np.clip(np.nan_to_num(np.stack([planes[n] for n in names], -1)), 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(65535 * curved).astype(np.uint16)
