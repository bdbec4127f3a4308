"""The transposed convolution against its definition."""

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.nn import deconv


def definition(x, kernel):
    """Returns the convolution of `x` with zeros between its pixels and the flipped kernel."""
    return jax.lax.conv_general_dilated(
        x, kernel[::-1, ::-1], (1, 1), ((2, 2), (2, 2)), lhs_dilation=(2, 2),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip


def test_values_and_gradients_equal_the_definition():
    keys = jax.random.split(jax.random.key(0), 3)
    x, kernel = (jax.random.normal(k, s) for k, s in zip(keys, ((2, 5, 7, 3), (4, 4, 3, 2))))
    grad = jax.random.normal(keys[2], (2, 10, 14, 2))

    @jax.jit
    def run(x, kernel, grad):
        pairs = [jax.vjp(f, x, kernel) for f in (deconv.deconv2d, definition)]
        return [(out, *pull(grad)) for out, pull in pairs]

    for ours, theirs in zip(*run(x, kernel, grad), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_the_layer_has_pytorchs_initial_range_and_no_bias_on_request():
    x = jnp.ones((1, 4, 4, 3))
    params = deconv.Deconv(8).init(jax.random.key(0), x)["params"]
    assert 0.08 < float(jnp.abs(params["kernel"]).max()) <= 1 / np.sqrt(16 * 8)
    assert params["bias"].shape == (8,)
    assert "bias" not in deconv.Deconv(8, use_bias=False).init(jax.random.key(0), x)["params"]
