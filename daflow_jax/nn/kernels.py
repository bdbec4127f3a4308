"""Parameters of layers as trees that pure functions take, so that loops can run over them."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax.linen import dtypes
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.ops import conv

Kernel = tuple[Array, Array]  # (kh, kw, in, out) and (out,), as `nn.conv.Conv.parameters` gives


def cast(kernels: Any, dtype: DTypeLike | None) -> Any:
    """Returns kernels in the number format of layers; None leaves them as they are."""
    return jax.tree.map(lambda x: x.astype(dtypes.canonicalize_dtype(x, dtype=dtype)), kernels)


def stack(layers: Sequence[Any]) -> Any:
    """Returns equal trees of kernels as one, with a leading axis over which `jax.lax.scan` runs."""
    return jax.tree.map(lambda *arrays: jnp.stack(arrays), *layers)


def apply(kernel: Kernel, x: Float[Array, "b h w i"]) -> Float[Array, "b h w o"]:
    """Returns the convolution of x, zeros outside, in the number format of the kernel; fast in
    loops on a CPU, forwards and backwards."""
    weights, bias = kernel
    return conv.loop_conv2d(x.astype(weights.dtype), weights) + bias
