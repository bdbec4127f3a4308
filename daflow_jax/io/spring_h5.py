"""Spring's .flo5: HDF5 with the dataset "flow" (h, w, 2) float32; NaN = unknown. Needs h5py."""

import io

import numpy as np

from daflow_jax.errors import UserError


def _h5py(where: object):
    try:
        import h5py
    except ImportError:
        remedy = "Install daflow-jax[io]"
        raise UserError(where, ".flo5 files need the package h5py", remedy, code=3) from None
    return h5py


def decode(data: bytes, where: object, every_second: bool = False) -> np.ndarray:
    """Returns flow float32 (h, w, 2), NaN where unknown.

    Args:
        every_second: keep every second value in each direction, unscaled: Spring's truth has
            twice the size of its frames but is in pixels of the frames.
    """
    h5py = _h5py(where)
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            flow = np.asarray(file["flow"], np.float32)
    except (OSError, KeyError, TypeError, ValueError) as error:
        rule = 'not an HDF5 file with a dataset "flow"'
        raise UserError(where, rule, "The file is cut or of another kind: copy it again") from error
    return flow[::2, ::2] if every_second else flow


def encode(flow: np.ndarray, where: object) -> bytes:
    """Returns an HDF5 file of `flow` (h, w, 2), compressed as Spring's (deflate, level 5)."""
    h5py = _h5py(where)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset(
            "flow", data=flow.astype(np.float32), compression="gzip", compression_opts=5
        )
    return buffer.getvalue()
