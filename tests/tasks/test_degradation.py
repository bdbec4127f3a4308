"""Telling degraded clips from clean ones: what is learned, and what must not tell them apart."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from daflow_jax import models
from daflow_jax.models.adaptive_flow.config import AdaptiveFlowConfig
from daflow_jax.tasks.degradation import Degradation
from tests.models.test_adaptive_flow import TINY

CONFIG = AdaptiveFlowConfig(TINY, widths=(8, 8))
SIDE = 32


@pytest.fixture(scope="module")
def parts():
    task = Degradation(models.build(CONFIG), scales=(0.5,))
    frames = jnp.zeros((1, 2, SIDE, SIDE, 3))  # the flow network itself is not asked
    return task, task.module.init(jax.random.key(0), frames, method="degradation")["params"]


def _batch(noise, rows=4):
    smooth = np.linspace(0.2, 0.8, SIDE, dtype=np.float32)
    hq = np.broadcast_to(smooth[None, None, None, :, None], (rows, 2, SIDE, SIDE, 3))
    hq = hq * np.linspace(0.6, 1, rows, dtype=np.float32)[:, None, None, None, None]
    lq = hq + noise * np.random.default_rng(0).standard_normal(hq.shape, np.float32)
    clips = {"hq": hq, "lq": lq.clip(0, 1), "weight": np.ones(rows, np.float32)}
    return jax.tree.map(jnp.asarray, clips)


def test_noise_is_learned_at_every_size(parts):
    task, params = parts
    batch, adam = _batch(0.05), optax.adam(1e-2)
    start = task.evaluate(params, {}, batch, jax.random.key(0))["loss"].compute()

    @jax.jit
    def step(params, state):
        grads = jax.grad(lambda p: task.loss(p, {}, batch, jax.random.key(0)).loss)(params)
        updates, state = adam.update(grads, state)
        return optax.apply_updates(params, updates), state

    state = adam.init(params)
    for _ in range(80):
        params, state = step(params, state)
    found = task.evaluate(params, {}, _batch(0.05), jax.random.key(0))
    assert found["loss"].compute() < 0.5 * start
    assert found["clean"].compute() == found["degraded"].compute() == 1


def test_levels_finer_than_8_bits_do_not_tell_clean_frames(parts):
    task, params = parts
    batch = _batch(0)
    rounded = {**batch, "lq": jnp.round(255 * batch["hq"]) / 255}
    values = task._values({"params": params}, rounded)
    logit = task._logits({"params": params}, batch["hq"], 1.0)
    np.testing.assert_array_equal(logit, task._logits({"params": params}, rounded["lq"], 1.0))
    np.testing.assert_array_equal(values["clean"], 1 - values["degraded"])


def test_rows_that_only_pad_a_batch_do_not_count(parts):
    task, params = parts
    batch = _batch(0.05)
    padded = {**batch, "weight": jnp.array([1.0, 1, 0, 0])}
    short = {key: x[:2] for key, x in batch.items()}
    losses = [task.loss(params, {}, b, jax.random.key(0)) for b in (padded, short)]
    np.testing.assert_allclose(losses[0].loss, losses[1].loss, rtol=1e-6)
    assert losses[0].weight == 2 and jnp.isfinite(losses[0].loss)
