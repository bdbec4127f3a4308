"""Optimisers beside AdamW, and parameters with a rate and a decay of their own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.train import groups, optimizer

PARAMS = {"a": {"kernel": jnp.full((2, 3), 2.0), "bias": jnp.full(3, 2.0)}, "head": jnp.ones(2)}
GRADS = jax.tree.map(lambda x: 0.1 * jnp.ones_like(x), PARAMS)


def _settings(**fields):
    return optimizer.OptimizerConfig(lr=0.1, schedule="constant", clip_norm=1e9, **fields)


def _direction(config, steps=1):
    tx = optimizer.make_optimizer(config, 10).tx
    state = tx.init(PARAMS)
    for _ in range(steps):
        out, state = tx.update(GRADS, state, PARAMS)
    return out


def test_the_first_group_that_matches_counts_and_the_rest_is_the_sections():
    plain = _direction(_settings(weight_decay=0.0))
    listed = (
        groups.Group((".*/bias",), weight_decay=0.0, name="biases"),
        groups.Group(("a/.*",), lr_scale=0.5),
    )
    out = _direction(_settings(weight_decay=0.1, groups=listed))
    np.testing.assert_allclose(out["a"]["bias"], plain["a"]["bias"], rtol=1e-6)
    np.testing.assert_allclose(out["a"]["kernel"], 0.5 * (plain["a"]["kernel"] + 0.2), rtol=1e-6)
    np.testing.assert_allclose(out["head"], plain["head"] + 0.1, rtol=1e-6)


def test_groups_that_change_nothing_change_no_bit():
    same = (groups.Group((".*",)),)
    for a, b in zip(
        *(jax.tree.leaves(_direction(_settings(groups=g), 3)) for g in ((), same)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_that_of_pytorch(nesterov):
    out = _direction(_settings(name="sgd", weight_decay=0.01, nesterov=nesterov), 2)["head"]
    g = 0.1 + 0.01 * 1.0
    buffer = 0.9 * g + g  # the second step's
    np.testing.assert_allclose(out, g + 0.9 * buffer if nesterov else buffer, rtol=1e-6)


def test_lars_takes_steps_in_proportion_to_the_norm_of_a_kernel():
    out = _direction(_settings(name="lars", weight_decay=0.0, trust=0.01))
    norm, grad = np.sqrt(6) * 2.0, np.sqrt(6) * 0.1
    np.testing.assert_allclose(out["a"]["kernel"], 0.1 * 0.01 * norm / grad, rtol=1e-5)
    np.testing.assert_allclose(out["a"]["bias"], 0.1, rtol=1e-6)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: _settings(name="adanw"), "name: is 'adanw'.*Did you mean adamw"),
        (lambda: _settings(momentum=0.5), "optimizer.momentum: adamw does not read it"),
        (lambda: _settings(name="sgd", beta1=0.5), "optimizer.beta1: sgd does not read it"),
        (lambda: groups.Group("a/.*"), "match is 'a/.*', a text"),
        (
            lambda: _direction(_settings(groups=(groups.Group(("b/.*",), name="b"),))),
            r"groups\[0\] 'b': 'b/.\*' matches no trained parameter.* a, head",
        ),
    ],
)
def test_what_nothing_reads_is_refused(make, message):
    with pytest.raises(errors.UserError, match=message):
        make()
