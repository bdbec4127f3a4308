"""Flow that waits until the speed of full colour is known, on the disk for temporary files."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import numpy_files
from daflow_jax.outputs import leftovers

_REMEDY = "Point TMPDIR at a larger disk, or pass --wheel-max PX or a lossless format such as flo"


class Spool:
    """Keeps flows (h, w, 2) as float16, exact enough for colours; its folder is made when needed.

    A disk that is full is a `UserError` with code 3 that names the folder.
    """

    def __init__(self):
        self._folder: Path | None = None

    def save(self, name: str, flow: np.ndarray) -> Path:
        """Returns the file that holds a flow."""
        try:
            if self._folder is None:
                leftovers.clean_spools()
                prefix = f"{leftovers.SPOOL}{os.getpid()}-"
                self._folder = Path(tempfile.mkdtemp(prefix=prefix))
            path = self._folder / f"{name}.npy"
            path.write_bytes(numpy_files.encode_npy(flow.astype(np.float16)))
        except OSError as error:
            where = self._folder or os.environ.get("TMPDIR") or "TMPDIR"
            reason = (error.strerror or str(error)).lower()
            rule = f"temporary files cannot be written ({reason})"
            raise UserError(where, rule, _REMEDY, code=3) from error
        return path

    def close(self) -> None:
        """Removes everything."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
