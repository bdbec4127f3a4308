"""How well the uncertainty of a method ranks its errors: sparsification over pairs."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.metrics import sparsification

Block = dict[str, Any] | None

_sparsify = jax.jit(sparsification.sparsify)


def of_pair(
    flow: np.ndarray, truth: np.ndarray, valid: np.ndarray, uncertainty: np.ndarray | None
) -> Block:
    """Returns the block of one pair, None without an uncertainty or an error.

    ause, ause_random: area above the oracle, of the uncertainty and of a random order.
    removed: shares of the valid pixels. by_uncertainty, by_error: EPE of those that remain over
    that of all, without the least sure and (the oracle) without the worst.
    """
    if uncertainty is None:
        return None
    curves = _sparsify(*(jnp.asarray(x) for x in (flow, truth, valid, uncertainty)))
    if not np.isfinite(curves.by_error[0]):
        return None
    return {
        "ause": float(curves.ause()),
        "ause_random": float(curves.ause_random()),
        "removed": list(sparsification.REMOVED),
        "by_uncertainty": np.asarray(curves.by_uncertainty).tolist(),
        "by_error": np.asarray(curves.by_error).tolist(),
    }


def mean(blocks: Iterable[Block]) -> Block:
    """Returns the mean of each value of the blocks that are known; None if none is."""
    known = [block for block in blocks if block is not None]
    if not known:
        return None
    return {key: np.mean([block[key] for block in known], axis=0).tolist() for key in known[0]}
