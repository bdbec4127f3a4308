"""Checksums follow their formula, whatever the sharding, and show every changed bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from daflow_jax import sharding
from daflow_jax.train import checksum
from daflow_jax.train import evaluator as evaluate

WORDS = {"float32": np.uint32, "bfloat16": np.uint16, "int8": np.uint8, "bool": np.uint8}


def _by_formula(array) -> int:
    array = np.asarray(array)
    words = array.reshape(-1).view(WORDS[str(array.dtype)])
    return sum(int(word) * (2 * place + 1) for place, word in enumerate(words)) % 2**32


@pytest.mark.parametrize("dtype", WORDS)
def test_sums_follow_the_formula(dtype):
    for shape in ((), (5,), (3, 4, 2), (0, 3)):
        leaf = jnp.asarray(np.random.default_rng(0).normal(size=shape), dtype)
        assert checksum.of([leaf, np.asarray(leaf)]) == [_by_formula(leaf)] * 2


def test_sharding_and_blocks_do_not_matter(monkeypatch):
    leaf = np.random.default_rng(1).normal(size=(8, 4, 6)).astype(np.float32)
    mesh = sharding.make_mesh({"data": 2, "fsdp": 4})
    monkeypatch.setattr(checksum, "BLOCK", 7)
    for spec in (P(), P("fsdp"), P(("data", "fsdp")), P(None, "fsdp", "data"), P("data", "fsdp")):
        spread = jax.device_put(leaf, jax.NamedSharding(mesh, spec))
        assert checksum.of([spread]) == [_by_formula(leaf)]


def test_every_changed_bit_and_every_swap_shows():
    leaf = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)
    want = checksum.of([leaf])
    for bit in range(32 * leaf.size):
        words = leaf.view(np.uint32).copy().reshape(-1)
        words[bit // 32] ^= np.uint32(1 << bit % 32)
        assert checksum.of([words.view(np.float32).reshape(leaf.shape)]) != want
    assert checksum.of([leaf[::-1]]) != want
    with pytest.raises(ValueError, match="float64 arrays have no checksum"):
        checksum.of([leaf.astype(np.float64)])


def test_places_hold_every_clip_once_whatever_the_parts():
    for count, parts in ((11, 1), (11, 2), (11, 4), (3, 4), (16, 2)):
        shares = [evaluate.places(count, 8, index, parts) for index in range(parts)]
        assert {len(share) for share in shares} == {-(-count // 8)}
        rows = [row for share in shares for own, weights in share for row in zip(own, weights)]
        assert all(len(own) == 8 // parts for share in shares for own, _ in share)
        assert sorted(number for number, weight in rows if weight) == list(range(count))
