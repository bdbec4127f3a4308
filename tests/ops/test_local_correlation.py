"""The local correlation against the published definition, values and gradients."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.ops import local_correlation as lc

GOLDEN = Path(__file__).parents[1] / "golden" / "flownets"


def plain(first, second, radius, stride):
    """Returns the mean of products with shifted images, one displacement at a time."""
    h, w = first.shape[1:3]
    r = radius // stride
    margin = r * stride
    around = jnp.pad(second, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    starts = range(0, (2 * r + 1) * stride, stride)
    shifted = [around[:, y : y + h, x : x + w] for y in starts for x in starts]
    return jnp.stack([jnp.mean(first * s, axis=-1) for s in shifted], axis=-1)


def test_equals_the_published_correlation_of_images_before_and_after_a_warp():
    golden = {k: jnp.asarray(v)[None] for k, v in np.load(GOLDEN / "correlation_a.npz").items()}
    for second, want in (("f2", "corr_s2"), ("warped", "corr_warped_s2")):
        out = lc.local_correlation(golden["f1"], golden[second], 4)
        np.testing.assert_allclose(out[:, ::2, ::2], golden[want], rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape, radius, stride", [((2, 9, 21, 3), 2, 1), ((1, 11, 18, 2), 5, 2)])
def test_values_and_gradients_equal_the_plain_form_on_any_size(shape, radius, stride):
    first, second = (jax.random.normal(jax.random.key(i), shape) for i in range(2))
    grad = jax.random.normal(jax.random.key(2), (*shape[:3], (2 * (radius // stride) + 1) ** 2))

    @jax.jit
    def both(first, second, grad):
        pairs = [
            jax.vjp(functools.partial(function, radius=radius, stride=stride), first, second)
            for function in (lc.local_correlation, plain)
        ]
        return [(out, *pull(grad)) for out, pull in pairs]

    for ours, theirs in zip(*both(first, second, grad), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_neither_direction_gathers_or_scatters():
    shape = jax.ShapeDtypeStruct((1, 16, 24, 4), "float32")
    step = jax.value_and_grad(lambda a, b: jnp.sum(lc.local_correlation(a, b, 4) ** 2), (0, 1))
    text = str(jax.make_jaxpr(step)(shape, shape))
    assert "gather" not in text and "scatter" not in text and "dot_general" in text


@pytest.mark.parametrize("radius, stride", [(-1, 1), (4, 0)])
def test_numbers_out_of_range_are_refused(radius, stride):
    image = jnp.zeros((1, 8, 8, 2))
    with pytest.raises(ValueError, match="at least 0 and 1"):
        lc.local_correlation(image, image, radius, stride)
