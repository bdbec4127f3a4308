"""The convolution for loops against XLA's own, values and gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.ops import conv, kernel_gradient


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (1, 5), (5, 1), (7, 7)])
def test_loop_convolution_equals_the_stock_one_with_its_gradients(kernel):
    x = jax.random.normal(jax.random.key(0), (2, 9, 11, 3))
    k = jax.random.normal(jax.random.key(1), (*kernel, 3, 4))

    def stock(x, k):
        return jax.lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=conv.LAYOUT)

    np.testing.assert_allclose(conv.loop_conv2d(x, k), stock(x, k), atol=1e-5)
    grads = [
        jax.grad(lambda x, k, f=f: jnp.sum(jnp.sin(f(x, k))), (0, 1))(x, k)
        for f in (conv.loop_conv2d, stock)
    ]
    for ours, plain in zip(*grads):
        np.testing.assert_allclose(ours, plain, atol=1e-4)


def test_stride_two_pads_symmetrically_unlike_same():
    x = jnp.arange(8.0).reshape(1, 1, 8, 1)
    kernel = jnp.zeros((3, 3, 1, 1)).at[1, 1].set(1.0)
    np.testing.assert_array_equal(conv.conv2d(x, kernel, (2, 2))[0, 0, :, 0], [0, 2, 4, 6])


@pytest.mark.parametrize("side", [3, 7])
def test_depthwise_convolution_equals_a_grouped_one_with_its_gradients(side):
    x = jax.random.normal(jax.random.key(0), (2, 9, 11, 4))
    k = jax.random.normal(jax.random.key(1), (side, side, 1, 4))

    def stock(x, k):
        return jax.lax.conv_general_dilated(
            x, k, (1, 1), "SAME", dimension_numbers=conv.LAYOUT, feature_group_count=4
        )

    np.testing.assert_allclose(conv.depthwise_conv2d(x, k), stock(x, k), atol=1e-5)
    grads = [
        jax.grad(lambda x, k, f=f: jnp.sum(jnp.sin(f(x, k))), (0, 1))(x, k)
        for f in (conv.depthwise_conv2d, stock)
    ]
    for ours, plain in zip(*grads):
        np.testing.assert_allclose(ours, plain, atol=1e-4)


@pytest.mark.parametrize("budget", [2**20, 2**14, 2**11])
@pytest.mark.parametrize(
    ("shape", "size", "strides", "padding"),
    [
        ((2, 9, 11, 3), (3, 3), (1, 1), ((1, 1), (1, 1))),
        ((5, 8, 6, 4), (3, 3), (2, 2), ((1, 1), (1, 1))),
        ((1, 13, 10, 3), (7, 5), (2, 1), ((3, 3), (2, 2))),
        ((2, 12, 12, 4), (4, 4), (4, 4), ((0, 0), (0, 0))),
        ((3, 10, 7, 2), (2, 2), (1, 2), ((0, 1), (1, 0))),
    ],
)
def test_gradients_by_blocks_equal_the_stock_ones(
    shape, size, strides, padding, budget, monkeypatch
):
    monkeypatch.setattr(kernel_gradient, "BLOCK", budget)
    x = jax.random.normal(jax.random.key(0), shape)
    k = jax.random.normal(jax.random.key(1), (*size, shape[-1], 6))

    def grads(function):
        def total(x, k):
            out = function(x, k, strides, padding, dimension_numbers=conv.LAYOUT)
            return jnp.sum(jnp.sin(out))

        return jax.jit(jax.grad(total, (0, 1)))(x, k)

    for ours, plain in zip(grads(conv.convolve), grads(jax.lax.conv_general_dilated), strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-4)


def test_gradients_by_blocks_of_16_bits_are_summed_in_32():
    x = jax.random.normal(jax.random.key(0), (4, 24, 32, 3), jnp.bfloat16)
    grad = jnp.ones(
        (4, 24, 32, 2), jnp.bfloat16
    )  # 3072 equal terms a sum: 16 bits would stop at 256
    found = kernel_gradient.by_blocks(x, grad, (3, 3), (1, 1), ((1, 1), (1, 1)))
    wide = (a.astype(jnp.float32) for a in (x, grad))
    want = kernel_gradient.by_blocks(*wide, (3, 3), (1, 1), ((1, 1), (1, 1)))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-3)
    kernel = jnp.zeros((3, 3, 3, 2), jnp.bfloat16)
    slope = jax.grad(lambda k: conv.conv2d(x, k).astype(jnp.float32).sum())(kernel)
    assert slope.dtype == jnp.bfloat16
    np.testing.assert_allclose(slope.astype(jnp.float32), want, rtol=2**-8, atol=1e-2)


def test_images_that_are_convolved_otherwise_keep_the_stock_gradient():
    x, k = jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 1, 2))
    plain = functools.partial(
        conv.convolve, strides=(1, 1), padding="SAME", dimension_numbers=conv.LAYOUT
    )
    for options in (dict(feature_group_count=2), dict(feature_group_count=2, rhs_dilation=(2, 2))):
        program = jax.make_jaxpr(functools.partial(plain, x, **options))(k)
        assert "custom_vjp" not in str(program)
    program = jax.make_jaxpr(functools.partial(plain, x))(jnp.ones((3, 3, 2, 2)))
    assert "custom_vjp" in str(program)


@pytest.mark.parametrize("size", [(3, 3, 3), (5, 1, 3)])
def test_convolution_over_time_equals_the_stock_one_with_its_gradients(size):
    x = jax.random.normal(jax.random.key(0), (2, 4, 6, 5, 3))
    k = jax.random.normal(jax.random.key(1), (*size, 3, 4))

    def stock(x, k):
        numbers = ("NDHWC", "DHWIO", "NDHWC")
        return jax.lax.conv_general_dilated(x, k, (1, 1, 1), "SAME", dimension_numbers=numbers)

    np.testing.assert_allclose(conv.convolve_clips(x, k), stock(x, k), atol=1e-5)
    grads = [
        jax.jit(jax.grad(lambda x, k, f=f: jnp.sum(jnp.sin(f(x, k))), (0, 1)))(x, k)
        for f in (conv.convolve_clips, stock)
    ]
    for ours, plain in zip(*grads, strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-4)
    with pytest.raises(ValueError, match="use 1 and SAME"):
        conv.convolve_clips(x, k, (1, 2, 2))


@pytest.mark.parametrize(
    ("shape", "options", "found"),
    [
        ((2, 3, 3, 3, 4), {}, "odd"),
        ((3, 3, 3, 3, 4), {"rhs_dilation": (1, 2, 2)}, "dilations"),
        ((3, 3, 3, 3, 4), {"feature_group_count": 3}, "groups"),
    ],
)
def test_convolution_over_time_refuses_what_it_would_ignore(shape, options, found):
    x, k = jnp.zeros((1, 4, 6, 5, 3)), jnp.zeros(shape)
    with pytest.raises(ValueError, match=found):
        conv.convolve_clips(x, k, **options)
