"""Where published weights of restorers, and arrays that they give, are found.

DAFLOW_RESTORER_WEIGHTS names a folder with BasicVSR_REDS4.pth and realesrgan-x4plus.safetensors
(docs/restorers.md). The repository keeps parts of the arrays; DAFLOW_GOLDEN_REAL_WEIGHTS names a
folder with all of them.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import api
from daflow_jax.metrics import image
from daflow_jax.pretrained import published
from tests.models.parity import Row

FOLDER = Path(os.environ.get("DAFLOW_RESTORER_WEIGHTS", "/nowhere"))
OWN = Path(__file__).parents[1] / "golden" / "real_weights"
GOLDEN = Path(os.environ.get("DAFLOW_GOLDEN_REAL_WEIGHTS", OWN))
FILES = {"basicvsr": "BasicVSR_REDS4.pth", "rrdb": "realesrgan-x4plus.safetensors"}


def golden(name: str) -> Any:
    """Returns the arrays of "basicvsr" or "rrdb"."""
    return np.load(GOLDEN / f"{name}_real_a.npz")


def needs(name: str) -> pytest.MarkDecorator:
    """Returns the mark of a test that reads the weights of "basicvsr" or "rrdb"."""
    reason = f"set DAFLOW_RESTORER_WEIGHTS to a folder with {FILES[name]}"
    return pytest.mark.skipif(not (FOLDER / FILES[name]).is_file(), reason=reason)


def load(name: str, folder: Path) -> Any:
    """Returns the model of published weights, converted into `folder`."""
    job = published.prepare(published.Request(FOLDER / FILES[name]))
    return api.load(published.convert(job, folder / name))


def psnr(picture: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Returns the signal-to-noise ratio in dB of pictures (..., h, w, 3) in [0, 1]."""
    return np.asarray(image.psnr(jnp.asarray(picture), jnp.asarray(clean)))


def available() -> list[str]:
    """Returns the networks whose published weights are here."""
    return [name for name, file in FILES.items() if (FOLDER / file).is_file()]


def rows(name: str) -> Iterator[Row]:
    """Yields a row for every array that the published weights of a network give."""
    from tests.models import parity_basicvsr, parity_rrdb

    tables = {"basicvsr": parity_basicvsr, "rrdb": parity_rrdb}
    with tempfile.TemporaryDirectory() as folder:
        yield from tables[name].rows(load(name, Path(folder)), golden(name))
