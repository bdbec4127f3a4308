"""JFFRA: the block against its fixture, sizes and shapes, the start flow, clips."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, models, predict
from daflow_jax.models import calls
from daflow_jax.models.jffra import restoration
from daflow_jax.models.jffra.config import BlockConfig, JFFRAConfig
from tests.models import parity, parity_restoration

TINY = JFFRAConfig(
    channels=(4, 6),
    temporal=1,
    block=BlockConfig(heads=1, window=4, radius=2, head=(8,)),
    encoder_blocks=False,
    resampling="conv",
    finest_cost=2,
    start="",
)


@pytest.mark.parametrize("name", sorted(parity_restoration.INPUTS))
def test_every_array_of_the_fixture(name):
    parts = [p for p in "ab" if (parity_restoration.GOLDEN / f"{name}_{p}.npz").exists()]
    if not parts:
        pytest.skip("of ops.local_correlation; DAFLOW_GOLDEN_RESTORATION names the folder")
    with jax.default_matmul_precision("highest"):
        for part in parts:
            inputs = parity_restoration.INPUTS[name]
            rows = parity_restoration.rows(name, part)
            parity.check(rows, parity_restoration.files(name, part), inputs)


def test_wrong_scores_and_sizes_would_be_noticed():
    golden = np.load(parity_restoration.GOLDEN / "degradation_a.npz")
    assert np.abs(golden["bi4"] - golden["bi4_no_antialias"]).mean() > 1e-3
    golden = np.load(parity_restoration.GOLDEN / "quality_a.npz")
    for wrong in ("f64_psnr_y_rounded", "f64_psnr_jpeg_luma"):
        assert abs(golden[wrong][0] - golden["f64_psnr"][1]) > 1e-3


@pytest.mark.parametrize("name", ["jffra", "jffra-x4", "jffra-nano", "jffra-nano-x4"])
def test_a_preset_has_shapes(name):
    config = models.preset(name, start="")
    module, side = models.build(config), config.minimum
    frames = jax.ShapeDtypeStruct((1, 3, side, side, 3), "float32")
    out, variables = jax.eval_shape(lambda x: module.init_with_output(jax.random.key(0), x), frames)
    assert out.frame.shape == (1, config.scale * side, config.scale * side, 3)
    way_down = set() if "nano" in name else {"down1", "down2", "down4", "8"}
    assert set(out.flows) == {"4", "2", "1"} | way_down
    count = sum(np.prod(x.shape) for x in jax.tree.leaves(variables))
    assert 2e5 < count < 1.2e6 if "nano" in name else 3e6 < count < 2e7


@pytest.fixture(scope="module")
def tiny():
    module = models.build(TINY)
    return module, jax.jit(lambda key: calls.init(module, key))(jax.random.key(0))


def test_a_new_network_returns_its_input_and_the_start_flow(tiny):
    module, variables = tiny
    clips = jax.random.uniform(jax.random.key(1), (1, 3, 8, 16, 3))
    start = jnp.ones((1, 2, 8, 16, 2))
    out = jax.jit(module.apply)(variables, clips, start)
    np.testing.assert_allclose(out.frame, clips[:, 1], atol=1e-6)
    np.testing.assert_allclose(out.flows["2"], start[:, :, ::2, ::2] / 2, atol=1e-6)
    np.testing.assert_allclose(out.flows["1"], start, atol=1e-6)


@pytest.mark.parametrize("alignment", ["fixed", "none"])
def test_other_alignments_have_the_same_parameters(alignment, tiny):
    config = dataclasses.replace(TINY, block=dataclasses.replace(TINY.block, alignment=alignment))
    shapes = jax.tree.map(jnp.shape, tiny[1])
    assert jax.tree.map(lambda x: x.shape, calls.abstract_variables(config)) == shapes


def test_the_start_is_from_any_flow_model():
    config = dataclasses.replace(TINY, start="raft-small")
    module, side = models.build(config), TINY.minimum
    shape = (1, 3, side, side + 8, 3)
    flow = jax.eval_shape(
        lambda key: module.init_with_output(
            {"params": key, "noise": key}, jnp.zeros(shape), method="start_flow"
        ),
        jax.random.key(0),
    )[0]
    assert flow.shape == (1, 2, side, side + 8, 2)
    assert "start" in calls.abstract_variables(config)["params"]


def test_a_clip_is_restored_alike_in_windows_of_any_length(tiny):
    module, variables = tiny
    changed = jax.tree.map(lambda x: x + 0.05, variables)  # an output that is not its input
    model = predict.restoration.model.RestorationModel(TINY, changed)
    frames = np.random.default_rng(0).random((7, 9, 16, 3), np.float32)
    whole = model(frames, window=7)
    assert whole.shape == frames.shape and np.abs(whole - frames).max() > 0.01
    for window in (5,):
        np.testing.assert_allclose(model(frames, window=window), whole, atol=1e-6)
    with pytest.raises(errors.UserError, match="2 frames; this model restores the middle one of 3"):
        model(frames[:2])


def test_the_noise_level_is_estimated():
    rng = np.random.default_rng(0)
    for sigma in (5, 30):
        clip = 0.5 + rng.normal(0, sigma / 255, (1, 3, 64, 64, 3))
        found = 255 * float(jax.jit(restoration.noise_level)(jnp.asarray(clip, jnp.float32))[0])
        assert abs(found - sigma) < 0.05 * sigma


@pytest.mark.parametrize(
    "wrong, message",
    [
        (dict(frames=4), "use an odd number"),
        (dict(scale=2), "use 1 or 4"),
        (dict(channels=(5, 6), block=BlockConfig(heads=2)), "do not divide over 2 heads"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **wrong)
