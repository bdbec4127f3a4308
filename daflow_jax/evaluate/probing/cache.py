"""Features that were computed once, for later analyses of the same clips: `daflow analyze --cache`.

FOLDER/NETWORK/00012.npz holds the features of sample 12 and a hash of its frames. NETWORK names the
weights and how they were read.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from daflow_jax import errors
from daflow_jax.evaluate.probing.samples import Sample
from daflow_jax.io import atomic

CLIP = "clip"  # of the hash among the arrays of a file
Features = dict[tuple[Any, str], tuple[Any, Any]]


class Cache:
    """The features of one network, read where they are there, else computed and kept.

    Args:
        folder: of all networks. parts: what the features depend on besides the frames.
    """

    def __init__(self, folder: Path, *parts: Any):
        words = repr(parts).encode()
        self._folder = folder / hashlib.sha256(words).hexdigest()[:16]

    def __call__(self, sample: Sample, number: int, compute: Callable[[], Features]) -> Features:
        """Returns the features of sample `number`. Raises UserError where the folder holds those of
        another clip."""
        file, clip = self._folder / f"{number:05d}.npz", _hash(sample)
        if not file.exists():
            found = compute()
            self._write(file, clip, found)
            return found
        try:
            with np.load(file) as arrays:
                kept = {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, EOFError) as error:
            raise errors.UserError(file, "cannot be read", "Delete the folder") from error
        if str(kept.pop(CLIP, "")) != clip:
            rule = "holds the features of another clip (its hash differs)"
            raise errors.UserError(file, rule, "Name another --cache folder, or delete this one")
        return _unpacked(kept)

    def _write(self, file: Path, clip: str, found: Features) -> None:
        arrays = {
            f"{block}|{kind}|{place}": np.asarray(x)
            for (block, kind), pair in found.items()
            for place, x in enumerate(pair)
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(file) as new, open(new, "wb") as stream:
            np.savez(stream, **{CLIP: np.array(clip)}, **arrays)  # type: ignore[arg-type]


def _unpacked(arrays: dict[str, np.ndarray]) -> Features:
    out: dict[tuple[Any, str], list[Any]] = {}
    for name in sorted(arrays):
        block, kind, _ = name.split("|")
        key = int(block) if block.isdecimal() else block
        out.setdefault((key, kind), []).append(jnp.asarray(arrays[name]))
    return {key: (pair[0], pair[1]) for key, pair in out.items()}


def _hash(sample: Sample) -> str:
    frames = np.ascontiguousarray(sample.lq)
    head = f"{frames.shape} {frames.dtype} {sample.first}".encode()
    return hashlib.sha256(head + frames.tobytes()).hexdigest()
