"""Splash attention, the fused Pallas kernels of TPUs: no logits outside of the chip's own memory.

The kernels want equal blocks: queries and keys are padded to a multiple of a block, and segment
ids keep padded keys out.
"""

from typing import cast

import jax.numpy as jnp
from jax.experimental.pallas.ops.tpu.splash_attention import (
    splash_attention_kernel as kernels,
)
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks
from jaxtyping import Array, Float

from daflow_jax.nn.attention import blockwise

SMALLEST = 512  # [choice] tokens per block
TILE = 2**20  # [choice] at most so many logits at once (d <= 128): compiles within 16 MiB, v5e
AT_ONCE = 2**18  # [choice] at most so many tokens x heads: half a gigabyte of buffers
FUSED = 8  # [choice] at most so many key blocks for the fused backward pass


def attend(
    query: Float[Array, "b q h d"], key: Float[Array, "b k h d"], value: Float[Array, "b k h d"]
) -> Float[Array, "b q h d"]:
    """Returns softmax(query key' / sqrt(d)) value."""
    length = query.shape[1]
    tile = TILE * 128 // max(128, query.shape[-1])
    columns = block(key.shape[1], min(2048, tile // SMALLEST))
    blocks = block(length, min(2048, tile // columns)), columns
    query = query * query.shape[-1] ** -0.5  # the kernel does not
    q, k, v = (
        _sequences(x, size)
        for x, size in zip((query, key, value), (blocks[0], blocks[1], blocks[1]), strict=True)
    )
    ids = None
    if k.shape[1] > key.shape[1]:
        real = (jnp.arange(k.shape[1]) < key.shape[1]).astype(jnp.int32)
        ids = kernels.SegmentIds(jnp.ones(q.shape[1], jnp.int32), real)
    out = cast(Array, _kernel((q.shape[0], q.shape[1], k.shape[1]), blocks)(q, k, v, ids))
    out = out.reshape(query.shape[0], -1, *out.shape[1:])[:, :, :length]
    return out.swapaxes(1, 2)


def groups(tokens: int, heads: int) -> int:
    """Returns into how many groups the heads of a sequence should go, one group after another.

    The kernels hold d = 64 in 128 lanes, and 128 copies of the sums of every query.
    """
    enough = (n for n in range(1, heads) if heads % n == 0 and tokens * heads <= n * AT_ONCE)
    return next(enough, heads)


def block(length: int, most: int) -> int:
    """Returns the block size, a multiple of the 128 lanes from `SMALLEST` to `most`, that pads
    `length` least; of those the largest. A shorter length is one block.
    """
    sizes = range(most // 128 * 128, SMALLEST - 1, -128)
    return min(-(-length // 128) * 128, min(sizes, key=lambda size: -length % size))


def _sequences(x: Array, block: int) -> Array:
    """(b s h d) -> (b*h, padded s, d): the kernel takes heads, and clips are as good as heads."""
    x = jnp.pad(x.swapaxes(1, 2), ((0, 0), (0, 0), (0, -x.shape[1] % block), (0, 0)))
    return x.reshape(-1, *x.shape[2:])


def _kernel(shape: tuple[int, int, int], blocks: tuple[int, int]) -> kernels.SplashAttentionKernel:
    heads, queries, keys = shape
    rows, columns = blocks
    fused = keys // columns <= FUSED  # it holds one query gradient for every block of keys
    layout = kernels.QKVLayout.SEQ_MINOR  # d = 64 in the 128 lanes would be half padding
    sizes = kernels.BlockSizes(
        block_q=rows,
        block_kv=columns,
        block_q_dkv=rows,
        block_kv_dkv=columns,
        block_q_dq=None if fused else rows,
        block_kv_dq=None if fused else columns,
        use_fused_bwd_kernel=fused,
        q_layout=layout,
        k_layout=layout,
        v_layout=layout,
    )
    mask = masks.MultiHeadMask([masks.FullMask((queries, keys))] * heads)
    return kernels.make_splash_mha(
        mask,
        block_sizes=sizes,
        head_shards=1,
        q_seq_shards=1,
        residual_checkpoint_name=blockwise.ATTENDED,
    )
