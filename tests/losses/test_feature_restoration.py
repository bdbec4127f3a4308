"""Losses of restored features: zero for the clean ones, blind to their length, weighted by clip."""

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.losses import feature_restoration

CLEAN, OTHER = jax.random.normal(jax.random.key(0), (2, 2, 3, 4, 5, 6))
BOTH = (feature_restoration.cosine_loss, feature_restoration.row_loss)


def test_the_clean_features_at_any_length_have_no_loss_and_others_have():
    for loss in BOTH:
        assert abs(float(loss(3 * CLEAN, CLEAN, jnp.ones(2)))) < 1e-5
        assert float(loss(OTHER, CLEAN, jnp.ones(2))) > 0.1


def test_clips_without_weight_do_not_count():
    mixed = jnp.stack([CLEAN[0], OTHER[1]])
    for loss in BOTH:
        assert abs(float(loss(mixed, CLEAN, jnp.array([1.0, 0.0])))) < 1e-5


def test_rows_are_compared_as_distributions():
    one = lambda x: jnp.asarray(x, jnp.float32).reshape(1, 2, 1, 2, 2)  # noqa: E731
    clean, flat = one([1, 0, 0, 1, 1, 0, 0, 1]), one([1, 0, 0, 1, 1, 1, 1, 1])
    found = feature_restoration.row_loss(flat, clean, jnp.ones(1), temperature=1.0)
    p = np.exp([1.0, 0.0]) / np.sum(np.exp([1.0, 0.0]))
    np.testing.assert_allclose(found, np.sum(p * np.log(p / 0.5)), rtol=1e-5)
