"""What a run carries from step to step, and how parameters split into trained and frozen ones."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
from flax import traverse_util

from daflow_jax import errors, precision
from daflow_jax.train import optimizer as optimizers

Tree = Any
Leaf = Any  # an array, or (in templates) its shape, dtype and sharding


class NonFiniteGuard(NamedTuple):
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
    health: NonFiniteGuard


class ParameterPartition(NamedTuple):
    """Which parameters train, and in which formats they rest.

    train, frozen: patterns of whole parameter paths such as "fnet/conv1/kernel"; those train that
        match one of `train` and none of `frozen`.
    """

    train: tuple[str, ...] = (".*",)
    frozen: tuple[str, ...] = ()
    policy: precision.Precision = precision.Precision()


WHOLE = ParameterPartition()


def split(params: Tree, partition: ParameterPartition) -> tuple[Tree, Tree]:
    """Returns (trained, frozen) nested dicts, each in the format that it rests in.

    Raises UserError for a pattern that matches no parameter, and where none is left to train.
    """
    flat = traverse_util.flatten_dict(params, sep="/")
    learning = _matched(flat, partition.train, "train")
    learning -= _matched(flat, partition.frozen, "frozen")
    if not learning:
        fields = "config.optimizer.train and .frozen"
        raise errors.UserError(fields, "freeze every parameter", "Leave some to train")
    trained, held = (
        traverse_util.unflatten_dict(
            {path: x for path, x in flat.items() if (path in learning) is side}, sep="/"
        )
        for side in (True, False)
    )
    policy = partition.policy
    return policy.stored(trained), policy.stored(held, frozen=True)


def _matched(flat: dict[str, Leaf], patterns: Sequence[str], field: str) -> set[str]:
    found = set()
    for pattern in patterns:
        matched = {path for path in flat if re.fullmatch(pattern, path)}
        if not matched:
            heads = sorted({path.split("/")[0] for path in flat})
            remedy = "Patterns match whole paths; they begin with " + ", ".join(heads)
            raise errors.UserError(
                f"config.optimizer.{field} {pattern!r}", "matches no parameter", remedy
            )
        found |= matched
    return found


def merge(params: Tree, frozen: Tree) -> Tree:
    """Returns the whole parameter tree of a split."""
    flat = traverse_util.flatten_dict(params) | traverse_util.flatten_dict(frozen)
    return traverse_util.unflatten_dict(flat)


def create(
    variables: dict[str, Tree],
    rng: jax.Array,
    optimizer: optimizers.Optimizer,
    partition: ParameterPartition = WHOLE,
) -> TrainState:
    """Returns the state of step 0 for the variables that a task initialised (may run inside
    jit). Moments and average are float32 whatever the parameters are.
    """
    params, held = split(variables["params"], partition)
    exact = as_float32(params)
    return TrainState(
        step=jnp.int32(0),
        params=params,
        frozen=held,
        opt_state=optimizer.tx.init(exact),
        aux={name: tree for name, tree in variables.items() if name != "params"},
        ema=jax.tree.map(jnp.copy, exact) if optimizer.ema_decay else None,
        rng=rng,
        health=NonFiniteGuard(jnp.int32(0), jnp.int32(-1), jnp.int32(-1)),
    )


def variables(state: TrainState) -> dict[str, Tree]:
    """Returns the variables to evaluate and to export: the average if one is kept, else the
    last.
    """
    trained = state.params if state.ema is None else state.ema
    return {"params": merge(trained, state.frozen), **state.aux}


def as_float32(tree: Tree) -> Tree:
    """Returns the arrays in float32."""
    return jax.tree.map(lambda x: x.astype(jnp.float32), tree)


def leaf_paths(tree: Tree) -> list[str]:
    """Returns the "/"-joined path of every leaf, in the order of `jax.tree.leaves`."""
    return [_path(keys) for keys, _ in jax.tree_util.tree_flatten_with_path(tree)[0]]


def _path(keys) -> str:
    return jax.tree_util.keystr(keys, simple=True, separator="/")
