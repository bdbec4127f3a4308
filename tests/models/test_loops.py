"""Loops over equal blocks are the single blocks, run and differentiated as one."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import models
from daflow_jax.models.dit4sr import loops
from daflow_jax.models.dit4sr.config import SD35_MEDIUM, DiTConfig
from daflow_jax.models.dit4sr.model import DiT

PLAIN = DiTConfig(
    depth=6,
    heads=2,
    head_dim=8,
    dual_blocks=2,
    channels=4,
    text_width=8,
    pooled_width=8,
    position_table=16,
    position_base=8,
    folded_blocks=(0, 1, 2, 3, 4),
    attention="plain",
    taps=(2,),
)
LOOPED = dataclasses.replace(PLAIN, scan=True)


def _inputs():
    rng = np.random.default_rng(0)
    shapes = ((2, 2, 8, 8, 4), (2, 2, 8, 8, 4), (2,), (2, 3, 8), (2, 8))
    return tuple(jnp.asarray(rng.random(shape, np.float32)) for shape in shapes)


@functools.cache
def _variables():
    abstract = jax.eval_shape(lambda: DiT(PLAIN).init(jax.random.key(0), *_inputs()))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(0, 0.1, x.shape), x.dtype), abstract)


def _objective(config, variables, **options):
    out = DiT(config).apply(variables, *_inputs(), **options)
    return sum(jnp.sum(x**2) for x in jax.tree.leaves(out))


def test_runs_hold_equal_neighbours_only():
    assert PLAIN.runs == tuple((i, i) for i in range(6))
    # taps and the last block stand alone; a run ends with the second attention and with folding
    assert LOOPED.runs == ((0, 1), (2, 2), (3, 4), (5, 5))
    split = dataclasses.replace(LOOPED, folded_blocks=(0, 3))
    assert split.runs == tuple((i, i) for i in range(6))
    base = dataclasses.replace(DiTConfig(), scan=True)
    assert base.runs[:4] == ((0, 2), (3, 3), (4, 12), (13, 13))
    assert dataclasses.replace(SD35_MEDIUM, scan=True).runs[-1] == (23, 23)


def test_conversion_goes_both_ways_and_fits_the_module():
    looped = loops.looped(_variables(), LOOPED)
    wanted = jax.eval_shape(lambda: DiT(LOOPED).init(jax.random.key(0), *_inputs()))
    assert jax.tree.map(jnp.shape, looped) == jax.tree.map(jnp.shape, wanted)
    back = loops.unrolled({"params": {"backbone": looped["params"]}})["params"]["backbone"]
    assert jax.tree.all(jax.tree.map(np.array_equal, back, dict(_variables()["params"])))


def _gradient(config):
    values = loops.looped(_variables(), config)
    return jax.jit(jax.value_and_grad(functools.partial(_objective, config)))(values)


@pytest.mark.slow
def test_a_loop_with_recomputation_computes_what_its_blocks_compute():
    value, plain = _gradient(PLAIN)
    again, looped = _gradient(dataclasses.replace(LOOPED, remat="full"))
    assert np.allclose(value, again, rtol=1e-6)
    looped = loops.unrolled(looped)
    for path, want in jax.tree_util.tree_leaves_with_path(plain):
        got = functools.reduce(lambda tree, key: tree[key.key], path, looped)
        assert np.abs(want - got).max() <= 1e-5 * max(np.abs(want).max(), 1e-3), path


def test_taps_alone_are_the_same_taps():
    apply = jax.jit(lambda variables: DiT(LOOPED).apply(variables, *_inputs(), taps_only=True))
    want = jax.jit(lambda variables: DiT(PLAIN).apply(variables, *_inputs()))(_variables())
    got = apply(loops.looped(_variables(), LOOPED))
    assert got.prediction is None and len(got.taps) == 1
    for x, y in zip(jax.tree.leaves(want.taps), jax.tree.leaves(got.taps), strict=True):
        assert np.allclose(x, y, atol=1e-6)


@pytest.mark.slow
def test_remat_recomputes():
    def products(remat):
        config = dataclasses.replace(PLAIN, remat=remat, attention="blockwise")
        text = (
            jax.jit(jax.grad(functools.partial(_objective, config))).lower(_variables()).as_text()
        )
        return text.count("stablehlo.dot_general")

    none, dots, attention, full = map(products, ("none", "dots", "attention", "full"))
    assert none < dots < full
    # one loop over blocks of keys with two products for each attention that is not repeated
    attentions = PLAIN.depth + PLAIN.dual_blocks
    assert full - attention == 2 * attentions


def test_an_unknown_policy_is_refused_by_name():
    with pytest.raises(Exception, match="Did you mean full"):
        models.preset("restorer-nano", **{"dit.remat": "ful"})
