"""RRDB: a plain form in NumPy, published names, tiles of features, and the published weights."""

import jax
import numpy as np
import pytest

from daflow_jax import models, pretrained
from daflow_jax.convert import engine
from daflow_jax.models.rrdb import convert, taps
from tests.golden import weights
from tests.models import parity, parity_rrdb, real_weights


def names(config) -> dict[str, tuple[int, ...]]:
    """Returns the names and shapes of a published network of this size."""
    width, growth = config.width, config.growth
    convs = {"conv_first": (width, 3), "conv_last": (3, width)}
    convs |= {n: (width, width) for n in ("conv_body", "conv_up1", "conv_up2", "conv_hr")}
    for block in range(config.blocks):
        for k in range(15):
            dense, conv = k // 5 + 1, k % 5 + 1
            out = width if conv == 5 else growth
            inputs = width + (conv - 1) * growth
            convs[f"body.{block}.rdb{dense}.conv{conv}"] = (out, inputs)
    kernels = {f"{n}.weight": (*shape, 3, 3) for n, shape in convs.items()}
    return kernels | {f"{n}.bias": shape[:1] for n, shape in convs.items()}


@pytest.fixture(scope="module")
def nano():
    config = models.preset("rrdb-nano")
    state = weights.state_dict(names(config))
    found = engine.convert(state, convert.RULES, pretrained.shapes(config)).parameters
    return config, state, engine.unflatten(found)


def plain(state, image, blocks):
    """Returns (features after each block, picture) of published weights: NumPy, channel-first."""

    def conv(name, x):
        kernel, (height, width) = state[f"{name}.weight"].astype(np.float64), x.shape[1:]
        around = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        out = state[f"{name}.bias"][:, None, None].astype(np.float64)
        for i, j in np.ndindex(3, 3):
            out = out + np.einsum(
                "oc,chw->ohw", kernel[:, :, i, j], around[:, i : i + height, j : j + width]
            )
        return out

    def leaky(x):
        return np.where(x > 0, x, 0.2 * x)

    first = x = conv("conv_first", image)
    after = []
    for block in range(blocks):
        inner = x
        for dense in (1, 2, 3):
            seen = inner
            for k in (1, 2, 3, 4):
                new = leaky(conv(f"body.{block}.rdb{dense}.conv{k}", seen))
                seen = np.concatenate([seen, new])
            inner = inner + 0.2 * conv(f"body.{block}.rdb{dense}.conv5", seen)
        x = x + 0.2 * inner
        after.append(x)
    x = first + conv("conv_body", x)
    for up in ("conv_up1", "conv_up2"):
        x = leaky(conv(up, x.repeat(2, axis=1).repeat(2, axis=2)))
    return after, conv("conv_last", leaky(conv("conv_hr", x)))


def test_picture_and_features_equal_a_plain_form(nano):
    config, state, variables = nano
    clip = np.random.default_rng(0).random((1, 2, 7, 10, 3), np.float32)
    module = models.build(config)
    out = jax.jit(lambda v, x: module.apply(v, x[0], method="enlarge"))(variables, clip)
    found = taps.TAPS.build(config, (0, 1), 1, 0)(variables, jax.random.key(0), clip[0])
    for k, frame in enumerate(clip[0]):
        after, picture = plain(state, frame.transpose(2, 0, 1), config.blocks)
        np.testing.assert_allclose(out[k], picture.transpose(1, 2, 0), rtol=0, atol=1e-5)
        for block, features in enumerate(after):
            query, _ = found[block, taps.KIND]
            expected = features.transpose(1, 2, 0)
            np.testing.assert_allclose(query[k], expected, rtol=0, atol=1e-5)


def test_esrgans_older_names_are_the_same_network(nano):
    config, state, variables = nano
    older = {
        "conv_body": "trunk_conv",
        "conv_hr": "HRconv",
        "conv_up": "upconv",
        "body": "RRDB_trunk",
    }

    def renamed(name):
        for new, old in older.items():
            name = name.replace(new, old, 1) if name.startswith(new) else name
        return name.replace(".rdb", ".RDB")

    again = {renamed(name): array for name, array in state.items()}
    assert not set(again) & {n for n in state if n.startswith(("body", "conv_up", "conv_hr"))}
    found = engine.convert(again, convert.RULES, pretrained.shapes(config)).parameters
    for path, array in engine.flatten(variables).items():
        np.testing.assert_array_equal(found[path], array)


@real_weights.needs("rrdb")
def test_published_weights_give_the_published_picture(tmp_path):
    model, golden = real_weights.load("rrdb", tmp_path), real_weights.golden("rrdb")
    with jax.default_matmul_precision("highest"):
        parity.check(parity_rrdb.rows(model, golden), golden, parity_rrdb.INPUTS)
