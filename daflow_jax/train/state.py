"""What a run carries from step to step, and how parameters split into trained and frozen ones."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
from flax import traverse_util

from daflow_jax import errors
from daflow_jax.train import optimizer as optimizers

Tree = Any
Leaf = Any  # an array, or (in templates) its shape, dtype and sharding


class Health(NamedTuple):
    """Skipped steps in a row, and where the row began: its step and its first leaf (-1: none was
    bad).
    """

    bad: Leaf
    first_step: Leaf
    first_leaf: Leaf


@flax.struct.dataclass
class TrainState:
    """`params` are the trained leaves only, `frozen` the rest: those get no gradient and no
    moments.
    """

    step: Leaf
    params: Tree
    frozen: Tree
    opt_state: Tree
    aux: Tree
    ema: Tree  # like params, or None
    rng: Leaf
    health: Health


def split(params: Tree, frozen: Sequence[str]) -> tuple[Tree, Tree]:
    """Returns (trained, frozen) nested dicts; a pattern must match a whole path such as
    "fnet/conv1/kernel".
    """
    flat = traverse_util.flatten_dict(params, sep="/")
    held = set()
    for pattern in frozen:
        matched = {path for path in flat if re.fullmatch(pattern, path)}
        if not matched:
            heads = sorted({path.split("/")[0] for path in flat})
            remedy = "Patterns match whole paths; they begin with " + ", ".join(heads)
            raise errors.UserError(
                f"config.optimizer.frozen {pattern!r}", "matches no parameter", remedy
            )
        held |= matched
    if len(held) == len(flat):
        raise errors.UserError(
            "config.optimizer.frozen", "freezes every parameter", "Leave some to train"
        )
    parts = ({p: x for p, x in flat.items() if (p in held) is side} for side in (False, True))
    trained, kept = (traverse_util.unflatten_dict(part, sep="/") for part in parts)
    return trained, kept


def merge(params: Tree, frozen: Tree) -> Tree:
    """Returns the whole parameter tree of a split."""
    flat = traverse_util.flatten_dict(params) | traverse_util.flatten_dict(frozen)
    return traverse_util.unflatten_dict(flat)


def create(
    variables: dict[str, Tree],
    rng: jax.Array,
    optimizer: optimizers.Optimizer,
    frozen: Sequence[str] = (),
) -> TrainState:
    """Returns the state of step 0 for the variables that a task initialised (may run inside
    jit).
    """
    params, held = split(variables["params"], frozen)
    return TrainState(
        step=jnp.int32(0),
        params=params,
        frozen=held,
        opt_state=optimizer.tx.init(params),
        aux={name: tree for name, tree in variables.items() if name != "params"},
        ema=jax.tree.map(jnp.copy, params) if optimizer.ema_decay else None,
        rng=rng,
        health=Health(jnp.int32(0), jnp.int32(-1), jnp.int32(-1)),
    )


def variables(state: TrainState) -> dict[str, Tree]:
    """Returns the variables to evaluate and to export: the average if one is kept, else the
    last.
    """
    trained = state.params if state.ema is None else state.ema
    return {"params": merge(trained, state.frozen), **state.aux}


def leaf_paths(tree: Tree) -> list[str]:
    """Returns the "/"-joined path of every leaf, in the order of `jax.tree.leaves`."""
    return [_path(keys) for keys, _ in jax.tree_util.tree_flatten_with_path(tree)[0]]


def _path(keys) -> str:
    return jax.tree_util.keystr(keys, simple=True, separator="/")
