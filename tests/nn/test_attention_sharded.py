"""Joint attention on eight fake devices equals joint attention on one."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import sharding
from daflow_jax.nn import attention
from daflow_jax.nn.attention import groups, splash

MESHES = {
    "heads over seq": ({"data": 2, "seq": 4}, 8),
    "heads over seq and tensor": ({"data": 2, "seq": 2, "tensor": 2}, 8),
    "keys gathered": ({"seq": 8}, 6),
    "keys gathered, heads over tensor": ({"seq": 4, "tensor": 2}, 6),
    "clips alone": ({"fsdp": 8}, 6),
}
CASES = [(name, "both") for name in MESHES] + [
    ("heads over seq", "keys"),
    ("heads over seq", "none"),
    ("keys gathered", "keys"),
]


def _parts(clips, heads, text="both", folds=True, tokens=8, streams=2):
    """Returns [images], text and a weight for every output; one copy of text where frames fold."""
    keys = iter(jax.random.split(jax.random.key(0), 16))

    def draw(frames, n):
        return 2 * jax.random.normal(next(keys), (clips, frames, n, heads, 8))

    images = [attention.Part(*(draw(3, tokens) for _ in range(3))) for _ in range(streams)]
    weights = [draw(3, tokens) for _ in range(streams)]
    if text == "none":
        return images, None, weights
    copies = 1 if folds else 3
    query, key, value, weight = (draw(copies, 5) for _ in range(4))
    if text == "keys":
        return images, attention.Part(None, key, value), weights
    return images, attention.Part(query, key, value), [*weights, weight]


def _scalar(images, text, weights, **options):
    outs = attention.joint(images, text, **options)
    assert len(outs) == len(weights)
    return sum(jnp.sum(x * w) for x, w in zip(outs, weights, strict=True)), outs


def _outs_and_grads(parts, mesh=None, **options):
    run = jax.value_and_grad(functools.partial(_scalar, **options), argnums=(0, 1), has_aux=True)
    if mesh is None:
        return jax.jit(run)(*parts)
    with jax.set_mesh(sharding.make_mesh(mesh)):
        return jax.jit(run)(*parts)


def _assert_equal(ours, reference):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(reference), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


@pytest.mark.parametrize("name,text", CASES)
def test_joint_on_a_mesh_equals_one_device(name, text):
    mesh, heads = MESHES[name]
    parts = _parts(8 if "fsdp" in mesh else 2, heads, text)
    options = dict(folds=True, implementation="plain")
    _assert_equal(_outs_and_grads(parts, mesh, **options), _outs_and_grads(parts, **options))


@pytest.mark.parametrize("heads", [pytest.param(8, marks=pytest.mark.slow), 6])
def test_joint_on_a_mesh_equals_one_device_frame_by_frame(heads):
    parts = _parts(2, heads, "both", folds=False)
    options = dict(folds=False, implementation="blockwise")
    mesh = {"data": 2, "seq": 4}
    _assert_equal(_outs_and_grads(parts, mesh, **options), _outs_and_grads(parts, **options))


@pytest.mark.parametrize(
    "clips,tokens,heads", [(1, 8, 8), pytest.param(2, 6, 8, marks=pytest.mark.slow), (2, 6, 6)]
)
def test_joint_takes_clips_and_tokens_that_do_not_divide(clips, tokens, heads):
    parts = _parts(clips, heads, tokens=tokens)
    options = dict(folds=True, implementation="plain")
    mesh = {"data": 2, "seq": 4}
    _assert_equal(_outs_and_grads(parts, mesh, **options), _outs_and_grads(parts, **options))


def test_joint_folds_frames_in_the_order_of_attend():
    """Without a mesh, against one sequence made by hand."""
    (image,), _, _ = _parts(2, 2, "none", streams=1)
    ours = attention.joint([image], folds=True, implementation="plain")[0]
    merged = (attention.merge_frames(x) for x in image)
    by_hand = attention.attend(*merged, implementation="plain")
    np.testing.assert_array_equal(attention.merge_frames(ours), by_hand)


@pytest.mark.parametrize("heads,expected", [(8, True), (6, False)])
def test_tokens_are_exchanged_for_heads_where_these_divide(heads, expected):
    images, text, _ = _parts(2, heads, "keys")
    run = functools.partial(attention.joint, folds=True, implementation="plain")
    with jax.set_mesh(sharding.make_mesh({"data": 2, "seq": 4})):
        place = jax.sharding.PartitionSpec("data", None, "seq")
        images = jax.tree.map(lambda x: jax.device_put(x, place), images)
        program = jax.jit(run).lower(images, text).compile().as_text()
    assert ("all-to-all" in program) is expected
    assert ("all-gather" in program) is not expected


def test_no_square_buffer_on_a_mesh():
    """Of 2 x 3 x 1024 image tokens over 4 devices; the widest block may stay."""
    parts = jax.eval_shape(lambda: _parts(1, 4, "both", tokens=1024))
    with jax.set_mesh(sharding.make_mesh({"data": 2, "seq": 4})):
        run = functools.partial(_scalar, folds=True, implementation="blockwise")
        grad = jax.grad(lambda *x: run(*x)[0], argnums=(0, 1))
        program = jax.jit(grad).lower(*parts).compile().as_text()
    sizes = [
        int(np.prod([int(n) for n in shape.split(",")]))
        for shape in re.findall(r"f32\[([\d,]+)\]", program)
    ]
    assert max(sizes) < (6 * 1024) ** 2 / 8


@pytest.mark.parametrize("mesh", [None, {"data": 2, "seq": 4}])
def test_heads_one_group_after_another_equal_all_at_once(mesh, monkeypatch):
    """The groups belong to splash: here plain attention stands in for its kernels."""
    counts = []

    def one_by_one(run, count, parts):
        counts.append(count)
        return groups_one_by_one(run, count, parts)

    groups_one_by_one = groups.one_by_one
    monkeypatch.setattr(groups, "one_by_one", one_by_one)
    monkeypatch.setattr(
        splash, "attend", functools.partial(attention.attend, implementation="plain")
    )
    monkeypatch.setattr(splash, "AT_ONCE", 100 if mesh else 200)
    parts = _parts(2, 8)
    ours = _outs_and_grads(parts, mesh, folds=True, implementation="splash")
    assert set(counts) == ({2} if mesh else {4})
    _assert_equal(ours, _outs_and_grads(parts, folds=True, implementation="plain"))
