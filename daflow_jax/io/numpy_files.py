""".npy (flow alone) and .npz (`flow` and `valid`); pickled content is never read."""

import io
import zipfile

import numpy as np

from daflow_jax.errors import UserError


def decode(data: bytes, where: object) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the stored flow, whatever its shape, and `valid` if the file has it."""
    try:
        stored = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(stored, np.ndarray):
            return stored, None
        with stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        remedy = "Save it again with np.save or np.savez"
        raise UserError(where, "not a readable NumPy file", remedy) from error
    if "flow" not in arrays:
        rule = f"holds {', '.join(arrays) or 'nothing'}; a flow .npz holds flow and valid"
        raise UserError(where, rule, "Save it with np.savez(path, flow=..., valid=...)")
    return arrays["flow"], arrays["valid"].astype(bool) if "valid" in arrays else None


def encode_npy(flow: np.ndarray) -> bytes:
    """Returns a .npy file of `flow`."""
    buffer = io.BytesIO()
    np.save(buffer, flow)
    return buffer.getvalue()


def encode_npz(flow: np.ndarray, valid: np.ndarray) -> bytes:
    """Returns a compressed .npz file with `flow` and `valid`."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, flow=flow, valid=valid)
    return buffer.getvalue()
