"""Convolutions whose gradients stay fast on XLA's CPU backend.

The gradient of a kernel is `kernel_gradient.by_blocks` there. In a loop body XLA:CPU leaves the two
gradients of a convolution in dimension orders that miss its fast kernel: they run 20 to 60 times
slower than outside. Written out in the forward's own layout they do not. The values are those of
`lax.conv_general_dilated`; forward-mode differentiation is not supported.
"""

import functools
import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.ops import kernel_gradient
from daflow_jax.ops.kernel_gradient import Padding
from daflow_jax.sharding import axes

LAYOUT = ("NHWC", "HWIO", "NHWC")


def symmetric_padding(kernel: tuple[int, ...]) -> Padding:
    """Returns PyTorch's "same" padding for odd kernels: (k - 1) // 2 on both sides."""
    rows, columns = ((k - 1) // 2 for k in kernel)
    return (rows, rows), (columns, columns)


def conv2d(
    x: Float[Array, "b h w i"],
    kernel: Float[Array, "kh kw i o"],
    strides: tuple[int, int] = (1, 1),
) -> Float[Array, "b hs ws o"]:
    """Returns the convolution with symmetric padding; a 1 x 1 kernel is a matrix product."""
    if kernel.shape[:2] == (1, 1):
        return x[:, :: strides[0], :: strides[1]] @ kernel[0, 0]
    padding = symmetric_padding(kernel.shape[:2])
    return convolve(x, kernel, strides, padding, dimension_numbers=LAYOUT)


def convolve(
    x: Array, kernel: Array, strides: Sequence[int], padding: Any, **options: Any
) -> Array:
    """Returns `lax.conv_general_dilated` of NHWC images that no mesh axis splits inside.

    Inputs and outputs, and so their gradients, are pinned: see `axes.RULES`. Flax's own layers
    take it as `nn.Conv(conv_general_dilated=convolve)`. On one CPU the gradient of the kernel is
    `kernel_gradient.by_blocks`, and then there is no forward-mode differentiation.
    """
    return _whole(_chosen(_whole(x), kernel, strides, padding, **options))


def convolve_clips(
    x: Float[Array, "b t h w i"],
    kernel: Float[Array, "kt kh kw i o"],
    strides: Sequence[int] = (1, 1, 1),
    padding: str = "SAME",
    **options: Any,
) -> Float[Array, "b t h w o"]:
    """Returns the convolution over time and images with odd kernels, zeros outside.

    `nn.Conv(conv_general_dilated=convolve_clips)` takes it. On a CPU the frames that a kernel sees
    become channels of one image, since XLA has no fast convolution of three dimensions there: 2 to
    6 times faster with its gradients. Raises ValueError for other strides, paddings, dilations,
    groups and even kernels.
    """
    if tuple(strides) != (1, 1, 1) or padding != "SAME":
        raise ValueError(f"strides {tuple(strides)}, padding {padding}: use 1 and SAME")
    if _dilations(options) > {1} or options.get("feature_group_count", 1) != 1:
        raise ValueError("dilations and groups are for images: use 1")
    if not all(side % 2 for side in kernel.shape[:3]):
        raise ValueError(f"kernel {kernel.shape[:3]}: use odd sides")

    def stock(x, kernel):
        numbers = ("NDHWC", "DHWIO", "NDHWC")
        return jax.lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=numbers)

    return jax.lax.platform_dependent(x, kernel, cpu=_times_as_channels, default=stock)


def _times_as_channels(x, kernel):
    batch, frames, height, width, inputs = x.shape
    times, rows, columns, _, outputs = kernel.shape
    around = ((0, 0), (times // 2, times // 2), (0, 0), (0, 0), (0, 0))
    padded = jnp.pad(x, around)
    seen = jnp.concatenate([padded[:, i : i + frames] for i in range(times)], -1)
    images = seen.reshape(batch * frames, height, width, times * inputs)
    flat = kernel.transpose(1, 2, 0, 3, 4).reshape(rows, columns, times * inputs, outputs)
    return conv2d(images, flat).reshape(batch, frames, height, width, outputs)


def _chosen(x, kernel, strides, padding, **options):
    """Returns the convolution, with a gradient of ours where it is a plain one on one device."""
    mesh = axes.mesh()
    if (mesh is not None and mesh.size > 1) or not _is_plain(x, kernel, options):
        return jax.lax.conv_general_dilated(x, kernel, strides, padding, **options)
    if isinstance(padding, str):
        padding = jax.lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    return _plain_conv(x, kernel, tuple(strides), tuple(map(tuple, padding)))


def _dilations(options) -> set[int]:
    """Returns the steps between taps or pixels, 1 among them."""
    return {1, *(options.get("lhs_dilation") or ()), *(options.get("rhs_dilation") or ())}


def _is_plain(x, kernel, options) -> bool:
    """Returns whether nothing but strides and padding is asked for, of images."""
    if x.ndim != 4 or options.get("feature_group_count", 1) != 1 or options.get("precision"):
        return False
    numbers = options.get("dimension_numbers")
    return _dilations(options) == {1} and _numbers(x, kernel, numbers) == _numbers(
        x, kernel, LAYOUT
    )


def _numbers(x, kernel, given):
    return jax.lax.conv_dimension_numbers(x.shape, kernel.shape, given)


def _stock(x, kernel, strides, padding):
    return jax.lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=LAYOUT)


def _plain_conv_forward(x, kernel, strides, padding):
    return _stock(x, kernel, strides, padding), (x, kernel)


def _plain_conv_backward(strides, padding, residuals, grad):
    x, kernel = residuals

    def stock(x, grad):
        return jax.vjp(lambda kernel: _stock(x, kernel, strides, padding), kernel)[1](grad)[0]

    def blocks(x, grad):
        found = kernel_gradient.by_blocks(x, grad, kernel.shape[:2], strides, padding)
        return found.astype(kernel.dtype)

    dx = jax.vjp(lambda x: _stock(x, kernel, strides, padding), x)[1](grad)[0]
    return dx, jax.lax.platform_dependent(x, grad, cpu=blocks, default=stock)


_plain_conv = jax.custom_vjp(_stock, nondiff_argnums=(2, 3))
_plain_conv.defvjp(_plain_conv_forward, _plain_conv_backward)


def _whole(images):
    return axes.constrain(images, "batch", "image_rows", "columns", "channels")


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _loop_conv(x, kernel, padding):
    return convolve(x, kernel, (1, 1), padding, dimension_numbers=LAYOUT)


def _loop_conv_fwd(x, kernel, padding):
    return _loop_conv(x, kernel, padding), (x, kernel)


def _loop_conv_bwd(padding, residuals, grad):
    x, kernel = residuals
    height, width = grad.shape[1:3]
    mirrored = [(k - 1 - lo, k - 1 - hi) for k, (lo, hi) in zip(kernel.shape, padding)]
    flipped = kernel[::-1, ::-1].swapaxes(2, 3)
    dx = convolve(grad, flipped, (1, 1), mirrored, dimension_numbers=LAYOUT)
    padded = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    taps = [  # one matrix product per kernel tap: the CPU's weight-gradient convolution is slower
        jnp.einsum("bhwi,bhwo->io", padded[:, i : i + height, j : j + width], grad)
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    ]
    return dx, jnp.stack(taps).reshape(kernel.shape)


_loop_conv.defvjp(_loop_conv_fwd, _loop_conv_bwd)


@jax.custom_vjp
def depthwise_conv2d(
    x: Float[Array, "*b h w c"], kernel: Float[Array, "kh kw 1 c"]
) -> Float[Array, "*b h w c"]:
    """Returns every channel convolved with its own kernel (odd sides), zeros outside.

    As shifted products, far faster than a grouped convolution on a CPU; so are the gradients.
    """
    height, width = x.shape[-3:-1]
    padded = _padded(x, kernel)
    taps = [
        padded[..., i : i + height, j : j + width, :] * kernel[i, j, 0]
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    ]
    return jax.lax.optimization_barrier(functools.reduce(operator.add, taps))


def _padded(x, kernel):
    """Returns x with zeros around it, kept out of the many products that read it.

    Fused into them, what made x is computed once per tap, and a 7 x 7 kernel breaks the compiler.
    """
    around = symmetric_padding(kernel.shape[:2])
    padded = jnp.pad(x, [(0, 0)] * (x.ndim - 3) + [*around, (0, 0)])
    return jax.lax.optimization_barrier(padded)


def _depthwise_forward(x, kernel):
    return depthwise_conv2d(x, kernel), (x, kernel)


def _depthwise_backward(residuals, grad):
    x, kernel = residuals
    padded, grad = _padded(x, kernel), jax.lax.optimization_barrier(grad)
    rows, columns = kernel.shape[:2]
    everywhere = tuple(range(grad.ndim - 1))

    def tap(index):
        start = (0,) * (grad.ndim - 3) + (index // columns, index % columns, 0)
        product = jax.lax.dynamic_slice(padded, start, grad.shape) * grad
        return jnp.sum(product, axis=everywhere, dtype=jnp.float32).astype(kernel.dtype)

    taps = jax.lax.map(tap, jnp.arange(rows * columns))  # unrolled, they take seconds to compile
    return depthwise_conv2d(grad, kernel[::-1, ::-1]), taps.reshape(kernel.shape)


depthwise_conv2d.defvjp(_depthwise_forward, _depthwise_backward)


def loop_conv2d(
    x: Float[Array, "b h w i"], kernel: Float[Array, "kh kw i o"]
) -> Float[Array, "b h w o"]:
    """Returns `conv2d(x, kernel)` for use inside `lax.scan` on a CPU: same values and gradients."""
    if kernel.shape[:2] == (1, 1):
        return x @ kernel[0, 0]
    return _loop_conv(x, kernel, symmetric_padding(kernel.shape[:2]))
