"""Heads in groups, one after another, for sequences so long that all heads at once need too much
memory.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

_HEADS = 3  # the axis of heads in (b, f, n, h, d)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def one_by_one(attend: Callable[..., Any], groups: int, parts: Any) -> Any:
    """Returns `attend(parts)`, run for one group of heads after another.

    The backward pass attends again, group by group: it keeps nothing but the inputs.
    """
    shapes = jax.eval_shape(attend, parts)

    def step(group, outs):
        return _written(outs, attend(_taken(parts, group, groups)), group)

    return jax.lax.fori_loop(0, groups, step, _zeros(shapes))


def _forward(attend, groups, parts):
    return one_by_one(attend, groups, parts), parts


def _backward(attend, groups, parts, outs):
    def step(group, grads):
        _, pull = jax.vjp(attend, _taken(parts, group, groups))
        (grad,) = pull(_taken(outs, group, groups))
        return _written(grads, grad, group)

    return (jax.lax.fori_loop(0, groups, step, _zeros(parts)),)


one_by_one.defvjp(_forward, _backward)


def _zeros(tree):
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), tree)


def _taken(tree, group, groups):
    def take(x):
        size = x.shape[_HEADS] // groups
        return jax.lax.dynamic_slice_in_dim(x, group * size, size, _HEADS)

    return jax.tree.map(take, tree)


def _written(whole, part, group):
    def write(x, y):
        return jax.lax.dynamic_update_slice_in_dim(x, y, group * y.shape[_HEADS], _HEADS)

    return jax.tree.map(write, whole, part)
