"""A mean built in parts is the mean of the whole."""

import jax.numpy as jnp
import numpy as np

from daflow_jax.metrics import mean


def test_merged_parts_equal_the_whole():
    values = np.random.default_rng(0).random((10, 3)).astype(np.float32)
    mask = np.random.default_rng(1).random((10, 3)) > 0.4
    parts = [
        mean.Mean.of(jnp.asarray(values[s]), jnp.asarray(mask[s]))
        for s in np.split(np.arange(10), [2, 3])
    ]
    merged = parts[2].merge(parts[0]).merge(parts[1])
    np.testing.assert_allclose(merged.compute(), values[mask].mean(), rtol=1e-6)


def test_weights_count_and_an_empty_mean_is_nan():
    two = mean.Mean.of(jnp.asarray([1.0, 5.0]), jnp.asarray([1.0, 3.0]))
    assert two.compute() == 4.0
    assert np.isnan(mean.Mean.of(jnp.asarray([1.0]), jnp.asarray([False])).compute())
