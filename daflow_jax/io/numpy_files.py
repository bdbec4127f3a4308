""".npy (flow alone) and .npz (`flow` and `valid`); pickled content is never read."""

import io
import zipfile
from typing import Any

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import limits

_REMEDY = "Save it again with np.save or np.savez"


def decode(data: bytes, where: object) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the stored flow, whatever its shape, and `valid` if the file has it.

    What the header declares is checked against the bytes before memory is set aside.
    """
    if not data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _array(data, where), None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            if "flow" not in members:
                rule = f"holds {', '.join(members)[:60] or 'nothing'}; "
                rule += "a flow .npz holds flow and valid"
                remedy = "Save it with np.savez(path, flow=..., valid=...)"
                raise UserError(where, rule, remedy)
            flow = _array(_member(archive, members["flow"], where), where)
            valid = None
            if "valid" in members:
                valid = _array(_member(archive, members["valid"], where), where, "biuf").astype(
                    bool
                )
            return flow, valid
    except UserError:
        raise
    except Exception as error:  # zipfile raises its own, zlib's, lzma's and NotImplementedError
        raise UserError(where, "not a readable NumPy file", _REMEDY) from error


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, where: object) -> bytes:
    if entry.flag_bits & 1:
        raise UserError(where, f"{entry.filename} is encrypted", _REMEDY)
    limits.check_file(where, entry.file_size)
    limits.check_packed(where, entry.file_size, entry.compress_size)
    return archive.read(entry)


def _array(data: bytes, where: object, kinds: str = "fiu") -> np.ndarray:
    """Returns the array of a .npy file whose dtype is of one of `kinds`."""
    stream = io.BytesIO(data)
    try:
        shape, fortran, dtype = _header(stream)
    except Exception as error:  # the header is Python text; a broken one may raise anything
        raise UserError(where, "not a readable NumPy file", _REMEDY) from error
    if dtype.hasobject or dtype.kind in "SUVM":
        raise UserError(where, f"not a readable NumPy file: it holds {dtype}", _REMEDY)
    if dtype.kind not in kinds:
        rule = f"holds {dtype}, which is not a kind of flow"
        raise UserError(where, rule, "Save it as float32")
    count = 1
    for length in shape:
        count *= length
    body = memoryview(data)[stream.tell() :]
    if min(shape, default=1) < 1 or count * dtype.itemsize != len(body):
        rule = f"declares {dtype} of shape {shape} and has {len(body)} bytes of values"
        raise UserError(where, rule, "The file is cut or damaged: copy it again")
    flat = np.frombuffer(body, dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    version: Any = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(stream)
    raise ValueError(f"version {version}")  # 3.0 is for names of fields alone


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
