"""Attention over long token sequences, and the folding of frames into one sequence.

Three implementations of one function, chosen by name:
  plain      logits of the whole sequence at once: fast for short sequences, memory S x S
  blockwise  online softmax over blocks of keys, own backward pass: memory linear in S, any device
  cudnn      fused kernel of NVIDIA GPUs, 16-bit inputs only
"""

import functools
import math
from typing import cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

BLOCK = 256  # [choice] at most so many tokens per block; fastest of 128..1024 on a CPU
_MASKED = -1e30  # finite: -inf - -inf would be nan


def merge_frames(x: Float[Array, "b f n *c"]) -> Float[Array, "b f*n *c"]:
    """Returns the tokens of all frames as one sequence, frame by frame (DA-Flow, sec. 4.2)."""
    return x.reshape(x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:])


def attend(
    query: Float[Array, "b q h d"],
    key: Float[Array, "b k h d"],
    value: Float[Array, "b k h d"],
    *,
    tail: tuple[int, int] = (0, 1),
    implementation: str = "plain",
) -> Float[Array, "b q h d"]:
    """Returns softmax(query key' / sqrt(d)) value, softmax in float32.

    `tail` = (length, count): each of the last `length` keys counts `count` times, exactly as if it
    stood `count` times in the sequence (its logit grows by log(count)). So one copy of the text of
    a clip can stand for the copies of all frames.
    """
    if implementation == "cudnn":
        return _cudnn(query, key, value, tail)
    bias = jnp.zeros(key.shape[1], jnp.float32)
    bias = bias.at[key.shape[1] - tail[0] :].set(math.log(tail[1]))
    q, k, v = (x.swapaxes(1, 2) for x in (query * query.shape[-1] ** -0.5, key, value))
    if implementation == "plain":
        out = _plain(q, k, v, bias)
    elif implementation == "blockwise":
        out = _padded_blockwise(q, k, v, bias)
    else:
        raise ValueError(
            f"attention implementation is {implementation!r}; use plain, blockwise or cudnn"
        )
    return out.swapaxes(1, 2).astype(query.dtype)


def _cudnn(query: Array, key: Array, value: Array, tail: tuple[int, int]) -> Array:
    if query.dtype not in (jnp.bfloat16, jnp.float16):
        raise ValueError(
            f"cudnn attention got {query.dtype}; it needs bfloat16 or float16: "
            "set the compute dtype, or choose blockwise"
        )
    if tail[0] and tail[1] > 1:  # the kernel would want an S x S bias: repeat the few keys instead
        key, value = (
            jnp.concatenate([x] + [x[:, x.shape[1] - tail[0] :]] * (tail[1] - 1), 1)
            for x in (key, value)
        )
    return jax.nn.dot_product_attention(query, key, value, implementation="cudnn")


def _plain(query: Array, key: Array, value: Array, bias: Array) -> Array:
    logits = _logits(query, key, bias)
    weights = jax.nn.softmax(logits, axis=-1).astype(value.dtype)
    return jnp.einsum("bhqk,bhkd->bhqd", weights, value)


def _logits(query: Array, key: Array, bias: Array) -> Array:
    # float32 sums and softmax: differences of large logits decide
    z = jnp.einsum("bhqd,bhkd->bhqk", query, key, preferred_element_type=jnp.float32)
    return z + bias


def _padded_blockwise(query: Array, key: Array, value: Array, bias: Array) -> Array:
    blocks = -(-bias.shape[0] // BLOCK)
    block = -(-bias.shape[0] // (8 * blocks)) * 8  # equal blocks: little padding

    def pad(x: Array) -> Array:
        return jnp.pad(x, ((0, 0), (0, 0), (0, -x.shape[2] % block), (0, 0)))

    extra = -bias.shape[0] % block
    bias = jnp.pad(bias, (0, extra), constant_values=_MASKED)
    out = _blockwise(pad(query), pad(key), pad(value), bias, block)
    return cast(Array, out)[:, :, : query.shape[2]]


def _to_blocks(x: Array, block: int) -> Array:
    """(b h s ...) -> (s/block, b, h, block, ...), ready to be scanned."""
    x = x.reshape(*x.shape[:2], x.shape[2] // block, block, *x.shape[3:])
    return jnp.moveaxis(x, 2, 0)


def _from_blocks(x: Array) -> Array:
    x = jnp.moveaxis(x, 0, 2)
    return x.reshape(*x.shape[:2], x.shape[2] * x.shape[3], *x.shape[4:])


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _blockwise(query: Array, key: Array, value: Array, bias: Array, block: int) -> Array:
    return _blockwise_forward(query, key, value, bias, block)[0]


def _blockwise_forward(query: Array, key: Array, value: Array, bias: Array, block: int):
    keys = (_to_blocks(key, block), _to_blocks(value, block), bias.reshape(-1, block))

    def one_block_of_queries(q):
        def step(carry, kv):
            peak, total, out = carry
            logits = _logits(q, kv[0], kv[2])
            new_peak = jnp.maximum(peak, logits.max(-1))
            weights = jnp.exp(logits - new_peak[..., None])
            shrink = jnp.exp(peak - new_peak)
            out = out * shrink[..., None] + _dot("bhqk,bhkd->bhqd", weights, kv[1])
            return (new_peak, total * shrink + weights.sum(-1), out), None

        start = jnp.zeros(q.shape[:3], jnp.float32)
        carry = (start + _MASKED, start, jnp.zeros(q.shape, jnp.float32))
        (peak, total, out), _ = jax.lax.scan(step, carry, keys)
        return (out / total[..., None]).astype(query.dtype), peak + jnp.log(total)

    out, log_total = jax.lax.map(one_block_of_queries, _to_blocks(query, block))
    out = _from_blocks(out)
    return out, (query, key, value, bias, out, log_total)


def _dot(pattern: str, weights: Array, x: Array) -> Array:
    return jnp.einsum(pattern, weights.astype(x.dtype), x, preferred_element_type=jnp.float32)


def _blockwise_backward(block: int, saved: tuple, grad: Array):
    query, key, value, bias, out, log_total = saved
    inner = jnp.sum((grad * out).astype(jnp.float32), -1)
    rows = (*(_to_blocks(x, block) for x in (query, grad, inner)), log_total)

    def over_keys(dquery, kv):
        k, v, b = kv

        def over_queries(carry, row):
            q, g, dot, log_sum, dq = row
            weights = jnp.exp(_logits(q, k, b) - log_sum[..., None])
            dweights = jnp.einsum("bhqd,bhkd->bhqk", g, v, preferred_element_type=jnp.float32)
            dlogits = weights * (dweights - dot[..., None])
            dk = carry[0] + _dot("bhqk,bhqd->bhkd", dlogits, q)
            dv = carry[1] + _dot("bhqk,bhqd->bhkd", weights, g)
            return (dk, dv), dq + _dot("bhqk,bhkd->bhqd", dlogits, k)

        zeros = (jnp.zeros(k.shape, jnp.float32), jnp.zeros(v.shape, jnp.float32))
        grads, dquery = jax.lax.scan(over_queries, zeros, (*rows, dquery))
        return dquery, grads

    dquery = jnp.zeros(rows[0].shape, jnp.float32)
    keys = (_to_blocks(key, block), _to_blocks(value, block), bias.reshape(-1, block))
    dquery, (dkey, dvalue) = jax.lax.scan(over_keys, dquery, keys)
    grads = (_from_blocks(x).astype(query.dtype) for x in (dquery, dkey, dvalue))
    return (*grads, jnp.zeros_like(bias))


_blockwise.defvjp(_blockwise_forward, _blockwise_backward)
