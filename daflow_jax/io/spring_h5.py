"""Spring's .flo5: HDF5 with the dataset "flow" (h, w, 2) float32; NaN = unknown. Needs h5py."""

import io
import math
from typing import Any

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import limits

_REMEDY = "The file is cut or of another kind: copy it again"


def _h5py(where: object):
    try:
        import h5py
    except ImportError:
        remedy = "Install daflow-jax[io]"
        raise UserError(where, ".flo5 files need the package h5py", remedy, code=3) from None
    return h5py


def decode(data: bytes, where: object, every_second: bool = False) -> np.ndarray:
    """Returns flow float32 (h, w, 2), NaN where unknown.

    HDF5 can name other files as the place of its values (external storage, virtual data sets,
    external links). Such files are refused: a flow file never makes another file be read.

    Args:
        every_second: keep every second value in each direction, unscaled: Spring's truth has
            twice the size of its frames but is in pixels of the frames.
    """
    h5py = _h5py(where)
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            flow = _checked(h5py, file, where)[()].astype(np.float32)
    except UserError:
        raise
    except Exception as error:  # a damaged file makes h5py raise any of a dozen kinds
        raise UserError(where, 'not an HDF5 file with a dataset "flow"', _REMEDY) from error
    return flow[::2, ::2] if every_second else flow


def _checked(h5py: Any, file: Any, where: object) -> Any:
    """Returns the dataset "flow", known to lie in this file and to be of a size that fits."""
    link = file.get("flow", getlink=True)
    if link is not None and not isinstance(link, h5py.HardLink):
        raise UserError(where, 'its "flow" is a link', "Copy the values into the file")
    dataset = file["flow"]
    if not isinstance(dataset, h5py.Dataset):
        raise UserError(where, 'its "flow" is a group, not a dataset', _REMEDY)
    if dataset.external or dataset.is_virtual:
        rule = "takes its values from other files (external or virtual storage)"
        raise UserError(where, rule, "Copy the values into the file")
    shape, kind = dataset.shape, dataset.dtype
    if shape is None or len(shape) != 3 or shape[-1] != 2 or kind.kind not in "fiu":
        rule = f"holds {kind} of shape {shape}; flow is numbers (height, width, 2)"
        raise UserError(where, rule, "Save it channels last, x then y")
    limits.check_size(where, shape[1], shape[0])
    declared = math.prod(shape) * kind.itemsize
    limits.check_packed(where, declared, dataset.id.get_storage_size())
    if dataset.chunks and math.prod(dataset.chunks) * kind.itemsize > max(declared, limits.SMALL):
        raise UserError(where, f"has chunks of shape {dataset.chunks}", _REMEDY)
    return dataset


def encode(flow: np.ndarray, where: object) -> bytes:
    """Returns an HDF5 file of `flow` (h, w, 2), compressed as Spring's (deflate, level 5)."""
    h5py = _h5py(where)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset(
            "flow", data=flow.astype(np.float32), compression="gzip", compression_opts=5
        )
    return buffer.getvalue()
