"""Attention with an online softmax over blocks of keys: memory linear in S, on any device."""

import functools
from typing import cast

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

BLOCK = 256  # [choice] at most so many tokens per block; fastest of 128..1024 on a CPU
_MASKED = -1e30  # finite: -inf - -inf would be nan
ATTENDED = "attended"  # what `jax.checkpoint` may keep, so that nothing is attended twice


def attend(
    query: Float[Array, "b h q d"],
    key: Float[Array, "b h k d"],
    value: Float[Array, "b h k d"],
    bias: Float[Array, "k"],
) -> Float[Array, "b h q d"]:
    """Returns softmax(query key' + bias) value; `query` is scaled, `bias` gets no gradient."""
    blocks = -(-bias.shape[0] // BLOCK)
    block = -(-bias.shape[0] // (8 * blocks)) * 8  # equal blocks: little padding

    def pad(x: Array) -> Array:
        return jnp.pad(x, ((0, 0), (0, 0), (0, -x.shape[2] % block), (0, 0)))

    extra = -bias.shape[0] % block
    bias = jnp.pad(bias, (0, extra), constant_values=_MASKED)
    out = _blockwise(pad(query), pad(key), pad(value), bias, block)
    return cast(Array, out)[:, :, : query.shape[2]]


def logits(
    query: Float[Array, "b h q d"], key: Float[Array, "b h k d"], bias: Float[Array, "k"]
) -> Float[Array, "b h q k"]:
    """Returns query key' + bias in float32: differences of large logits decide."""
    z = jnp.einsum("bhqd,bhkd->bhqk", query, key, preferred_element_type=jnp.float32)
    return z + bias


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
            scores = logits(q, kv[0], kv[2])
            new_peak = jnp.maximum(peak, scores.max(-1))
            weights = jnp.exp(scores - new_peak[..., None])
            shrink = jnp.exp(peak - new_peak)
            out = out * shrink[..., None] + _dot("bhqk,bhkd->bhqd", weights, kv[1])
            return (new_peak, total * shrink + weights.sum(-1), out), None

        start = jnp.zeros(q.shape[:3], jnp.float32)
        carry = (start + _MASKED, start, jnp.zeros(q.shape, jnp.float32))
        (peak, total, out), _ = jax.lax.scan(step, carry, keys)
        return (out / total[..., None]).astype(query.dtype), peak + jnp.log(total)

    out, log_total = jax.lax.map(one_block_of_queries, _to_blocks(query, block))
    out, log_total = (checkpoint_name(x, ATTENDED) for x in (_from_blocks(out), log_total))
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
            weights = jnp.exp(logits(q, k, b) - log_sum[..., None])
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
