"""The state of a fit in one file, from which it goes on exactly where it was."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from daflow_jax import errors
from daflow_jax.io import atomic

_REMEDY = "Delete it to begin again"
_HEAD, _SEAL = "head.json", "sha256"


def save(path: Path, tree: Any, step: int, settings: dict[str, Any]) -> None:
    """Writes the arrays of a tree, the step, and what the fit depends on; whole or not at all."""
    arrays: dict[str, Any] = {name: np.asarray(leaf) for name, leaf in _named(tree)}
    head = {"step": step, "settings": settings, _SEAL: _digest(arrays)}
    stream = io.BytesIO()
    arrays[_HEAD] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    np.savez(stream, **arrays)
    atomic.write_bytes(path, stream.getvalue())


def restore(path: Path, like: Any, settings: dict[str, Any]) -> tuple[Any, int] | None:
    """Returns the tree and the step of a fit, None where there is no file.

    Raises UserError for a file that is damaged or lacks a part of the state, and for a fit with
    other settings.
    """
    if not path.is_file():
        return None
    arrays, head = _read(path)
    changed = [k for k in settings if head["settings"].get(k) != _plain(settings[k])]
    if changed:
        was = head["settings"].get(changed[0])
        rule = (
            f"is of a fit with another {changed[0]}: {was!r}, not {_plain(settings[changed[0]])!r}"
        )
        raise errors.UserError(path, rule, "Use the same, --overwrite, or another --out")
    names = [name for name, _ in _named(like)]
    missing = [name for name in names if name not in arrays]
    if missing:
        rule = f"lacks {len(missing)} parts of the state, first {missing[0]}"
        raise errors.UserError(path, rule, _REMEDY)
    leaves = [jax.numpy.asarray(arrays[name]) for name in names]
    return jax.tree.unflatten(jax.tree.structure(like), leaves), int(head["step"])


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        head = json.loads(arrays.pop(_HEAD).tobytes())
        sound = head[_SEAL] == _digest(arrays)
    except Exception as error:  # zipfile, zlib, json and numpy raise what they like
        raise errors.UserError(path, "is not a readable state of a fit", _REMEDY) from error
    if not sound:
        raise errors.UserError(path, "is damaged (sha256 differs)", _REMEDY)
    return arrays, head


def _named(tree: Any) -> list[tuple[str, Any]]:
    found = jax.tree_util.tree_flatten_with_path(tree)[0]
    return [(jax.tree_util.keystr(keys, simple=True, separator="/"), leaf) for keys, leaf in found]


def _digest(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))
