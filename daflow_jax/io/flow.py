"""Flow files by extension: .flo, KITTI .png, .pfm, .flo5, .npy, .npz.

In memory flow is float32 (h, w, 2) in pixels with a separate bool mask, never a magic number.
"""

import os
from pathlib import Path

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import atomic, flo, image, kitti_png, numpy_files, pfm, spring_h5

EXTENSIONS = (".flo", ".png", ".pfm", ".flo5", ".npy", ".npz")


def read_flow(path: str | Path, every_second: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Returns flow float32 (h, w, 2) in pixels, 0 where invalid, and valid bool (h, w).

    NaN and infinite values are invalid in every format, beyond 1e9 in .flo, mask 0 in KITTI's .png.

    Args:
        every_second: for Spring's truth in .flo5: keep every second value, unscaled.
    """
    extension = _extension(path)
    flow, valid = _decode(image.read_bytes(path), extension, path, every_second)
    if flow.ndim != 3 or flow.shape[-1] != 2 or not np.issubdtype(flow.dtype, np.number):
        rule = f"holds {flow.dtype} of shape {flow.shape}; flow is (height, width, 2)"
        raise UserError(path, rule, "Save it channels last, x then y")
    if valid is not None and valid.shape != flow.shape[:2]:
        rule = f"valid has shape {valid.shape} and flow {flow.shape}"
        raise UserError(path, rule, "Save both with one height and width")
    finite = np.isfinite(flow).all(-1)
    valid = np.asarray(finite if valid is None else valid & finite)
    return np.where(valid[..., None], flow, 0).astype(np.float32), valid


def _decode(data: bytes, extension: str, path: str | Path, every_second: bool):
    match extension:
        case ".flo":
            return flo.decode(data, path)
        case ".png":
            return kitti_png.decode(data, path)
        case ".pfm":
            return _flow_of_pfm(pfm.decode(data, path), path), None
        case ".flo5":
            return spring_h5.decode(data, path, every_second), None
        case _:
            return numpy_files.decode(data, path)


def _flow_of_pfm(values: np.ndarray, path: str | Path) -> np.ndarray:
    if values.shape[-1] == 3:
        return values[..., :2]
    remedy = "A one-channel .pfm is a disparity or depth map, not flow"
    raise UserError(path, "1 channel; flow in .pfm has 3", remedy)


def _extension(path: str | Path) -> str:
    extension = os.path.splitext(path)[1].lower()
    if extension not in EXTENSIONS:
        rule = f"{extension or 'no extension'} is not a flow format"
        raise UserError(path, rule, "Use one of " + " ".join(EXTENSIONS))
    return extension


def write_flow(path: str | Path, flow: np.ndarray, valid: np.ndarray | None = None) -> int:
    """Returns how many valid pixels were lost when writing flow (h, w, 2) to `path`.

    The extension names the format. Pixels are lost only in KITTI's .png, beyond about +-512 px;
    they are marked invalid there. Invalid pixels become 1e10 in .flo, 0 in .png, NaN in the others
    (.npz keeps the mask beside).

    Errors: NaN or infinity where `valid` is true (or no `valid` is given) is a `UserError`.
    """
    extension = _extension(path)
    flow = np.asarray(flow, np.float32)
    if flow.ndim != 3 or flow.shape[-1] != 2:
        raise ValueError(f"flow has shape {flow.shape}; a file holds one (h, w, 2); index it first")
    valid = np.ones(flow.shape[:2], bool) if valid is None else np.asarray(valid, bool)
    if valid.shape != flow.shape[:2]:
        raise ValueError(f"valid has shape {valid.shape}, flow {flow.shape}; give both one size")
    bad = int((valid & ~np.isfinite(flow).all(-1)).sum())
    if bad:
        rule = f"flow holds NaN or infinity in {bad} valid pixels"
        raise UserError(path, rule, "Mark those pixels invalid or find out where they come from")
    data, lost = _encode(extension, flow, valid, path)
    atomic.write_bytes(path, data)
    return lost


def _encode(
    extension: str, flow: np.ndarray, valid: np.ndarray, path: str | Path
) -> tuple[bytes, int]:
    if extension == ".png":
        return kitti_png.encode(flow, valid)
    if extension == ".npz":
        return numpy_files.encode_npz(np.where(valid[..., None], flow, 0), valid), 0
    unknown = np.float32(1e10) if extension == ".flo" else np.float32(np.nan)
    filled = np.where(valid[..., None], flow, unknown)
    match extension:
        case ".flo":
            return flo.encode(filled), 0
        case ".pfm":
            return pfm.encode(filled), 0
        case ".flo5":
            return spring_h5.encode(filled, path), 0
        case _:
            return numpy_files.encode_npy(filled), 0
