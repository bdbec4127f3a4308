"""Attention on one device, or on one device's share: the implementations, chosen by name."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.nn.attention import blockwise, splash

IMPLEMENTATIONS = ("auto", "plain", "blockwise", "cudnn", "splash")


def attend(
    query: Float[Array, "b q h d"],
    key: Float[Array, "b k h d"],
    value: Float[Array, "b k h d"],
    *,
    tail: tuple[int, int] = (0, 1),
    implementation: str = "auto",
) -> Float[Array, "b q h d"]:
    """Returns softmax(query key' / sqrt(d)) value, softmax in float32.

    `tail` = (length, count): each of the last `length` keys counts `count` times, exactly as if it
    stood `count` times in the sequence. So one copy of the text of a clip can stand for the copies
    of all frames.
    """
    name = choose(implementation, query)
    if name in ("cudnn", "splash"):  # kernels without a bias per key: the few keys stand repeatedly
        key, value = (_repeat_tail(x, *tail) for x in (key, value))
        return _cudnn(query, key, value) if name == "cudnn" else splash.attend(query, key, value)
    bias = jnp.zeros(key.shape[1], jnp.float32)
    bias = bias.at[key.shape[1] - tail[0] :].set(math.log(tail[1]))
    q, k, v = (x.swapaxes(1, 2) for x in (query * query.shape[-1] ** -0.5, key, value))
    out = (_plain if name == "plain" else blockwise.attend)(q, k, v, bias)
    return out.swapaxes(1, 2).astype(query.dtype)


def choose(implementation: str, query: Float[Array, "... d"]) -> str:
    """Returns the name of the implementation; "auto" looks at the devices of the ambient mesh,
    without one at those of the default backend.

    Raises ValueError for an unknown name, and for cudnn without 16-bit inputs.
    """
    if implementation not in IMPLEMENTATIONS:
        known = ", ".join(IMPLEMENTATIONS)
        raise ValueError(f"attention implementation is {implementation!r}; use one of {known}")
    is_short = query.dtype in (jnp.bfloat16, jnp.float16)
    if implementation == "cudnn" and not is_short:
        raise ValueError(
            f"cudnn attention got {query.dtype}; it needs bfloat16 or float16: "
            "set the compute dtype, or choose blockwise"
        )
    if implementation != "auto":
        return implementation
    platform, kind = _hardware()
    if platform == "tpu":
        return "splash"
    width = query.shape[-1]  # cuDNN: multiples of 8 up to 128 on every generation
    suits = is_short and width % 8 == 0 and width <= 128
    return "cudnn" if kind.startswith("NVIDIA") and suits else "blockwise"


def _hardware() -> tuple[str, str]:
    """Returns platform and kind of the devices that the program is made for."""
    device = jax.sharding.get_abstract_mesh().abstract_device or jax.devices()[0]
    return device.platform, device.device_kind


def _repeat_tail(x: Array, length: int, count: int) -> Array:
    if not length or count == 1:
        return x
    return jnp.concatenate([x] + [x[:, x.shape[1] - length :]] * (count - 1), 1)


def _cudnn(query: Array, key: Array, value: Array) -> Array:
    return jax.nn.dot_product_attention(query, key, value, implementation="cudnn")


def _plain(query: Array, key: Array, value: Array, bias: Array) -> Array:
    weights = jax.nn.softmax(blockwise.logits(query, key, bias), axis=-1).astype(value.dtype)
    return jnp.einsum("bhqk,bhkd->bhqd", weights, value)
