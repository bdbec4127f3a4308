"""Flow files by extension: .flo, KITTI .png, .pfm, .flo5, .npy, .npz, and for compositing .exr and
32-bit .tif, both also as STMap (NAME.stmap.exr).

In memory flow is float32 (h, w, 2) in pixels with a separate bool mask, never a magic number.
"""

import os
from pathlib import Path

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import atomic, flo, flow_planes, kitti_png, numpy_files, pfm, spring_h5
from daflow_jax.io.regular_file import read_bytes

EXTENSIONS = (".flo", ".png", ".pfm", ".flo5", ".npy", ".npz", ".exr", ".tif", ".tiff")
_PLANES = (".exr", ".tif", ".tiff")


def read_flow(path: str | Path, every_second: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Returns flow float32 (h, w, 2) in pixels, 0 where invalid, and valid bool (h, w).

    NaN, infinite and components of 1e9 and more are invalid in every format, and so is what a mask
    beside the flow says (KITTI's .png, .npz, .exr, .tif).

    Args:
        every_second: for Spring's truth in .flo5: keep every second value, unscaled.
    """
    extension = _extension(path)
    flow, valid = _decode(read_bytes(path), extension, path, every_second)
    if flow.ndim != 3 or flow.shape[-1] != 2 or flow.dtype.kind not in "fiu" or not flow.size:
        rule = f"holds {flow.dtype} of shape {flow.shape}; flow is (height, width, 2)"
        raise UserError(path, rule, "Save it channels last, x then y")
    if valid is not None and valid.shape != flow.shape[:2]:
        rule = f"valid has shape {valid.shape} and flow {flow.shape}"
        raise UserError(path, rule, "Save both with one height and width")
    known = (np.abs(flow) < flo.UNKNOWN).all(-1)  # false for NaN as well
    valid = np.asarray(known if valid is None else valid & known)
    return np.where(valid[..., None], flow, 0).astype(np.float32), valid


def _decode(data: bytes, extension: str, path: str | Path, every_second: bool):
    match extension:
        case ".flo":
            return flo.decode(data, path), None
        case ".png":
            return kitti_png.decode(data, path)
        case ".pfm":
            return _flow_of_pfm(pfm.decode(data, path), path), None
        case ".flo5":
            return spring_h5.decode(data, path, every_second), None
        case ".npy" | ".npz":
            return numpy_files.decode(data, path)
        case _:
            return flow_planes.decode(data, path, extension)


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
    they are marked invalid there. Invalid pixels become 1e10 in .flo, 0 with a mask in .png, .npz,
    .exr and .tif, NaN in the others. A name that ends in ".stmap.exr" or ".stmap.tif" asks for an
    STMap.

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
    if extension in _PLANES:
        with atomic.replacing(path) as part:
            flow_planes.write(part, path, flow, valid)
        return 0
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
