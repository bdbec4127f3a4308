"""The Python interface: what comes out for what goes in."""

import subprocess
import sys

import jax
import numpy as np
import pytest

import daflow_jax as daflow
from daflow_jax import errors
from tests import tiny


def test_importing_starts_nothing_and_every_public_name_is_there():
    code = "import sys, daflow_jax; sys.exit('jax' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    for name in daflow.__all__:
        assert getattr(daflow, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = daflow.nothing


def test_a_clip_gives_one_flow_less_and_a_pair_gives_one():
    frames, model = tiny.frames(3), tiny.model()
    flow = model(frames)
    assert flow.shape == (2, 100, 120, 2) and flow.dtype == np.float32
    pair = model((frames[0], frames[1]))
    assert pair.shape == (100, 120, 2)
    np.testing.assert_allclose(pair, flow[0], atol=1e-3)


def test_kinds_of_frames_give_the_same_flow():
    frames, model = tiny.frames(2), tiny.model()
    expected = model((frames[0], frames[1]))
    wide = frames.astype(np.uint16) * 257
    np.testing.assert_allclose(model((wide[0], wide[1])), expected, atol=1e-3)
    unit = frames / np.float32(255)
    np.testing.assert_array_equal(model((unit[0], unit[1])), expected)
    grey = np.repeat(frames[..., :1], 3, axis=-1)
    np.testing.assert_array_equal(model(frames[..., 0])[0], model((grey[0], grey[1])))


def test_all_iterations_returns_every_iteration_and_both_directions():
    frames, model = tiny.frames(2), tiny.model()
    out = model((frames[0], frames[1]), bidirectional=True, all_iterations=True)
    assert out.iterations.shape == (tiny.ITERS, 100, 120, 2)
    np.testing.assert_array_equal(out.iterations[-1], out.flow)
    np.testing.assert_allclose(out.backward, model((frames[1], frames[0])), atol=1e-3)
    assert out.occlusion.dtype == bool and out.confidence.shape == (100, 120)


def test_stream_yields_the_flow_of_the_clip_and_starts_over():
    frames, model = tiny.frames(4), tiny.model()
    stream = model.stream(frames, warm_start=False)
    np.testing.assert_allclose(np.stack(list(stream)), model(frames), atol=1e-3)
    stream.reset(frames[:2])
    assert len(list(stream)) == 1


def test_saved_models_load_to_the_same_bits(tmp_path):
    daflow.save(tiny.model(), tmp_path / "mine")
    loaded = daflow.load(tmp_path / "mine")
    assert loaded.name == "tiny" and loaded.num_parameters == tiny.model().num_parameters
    for saved, back in zip(
        jax.tree.leaves(tiny.model().params), jax.tree.leaves(loaded.params), strict=True
    ):
        np.testing.assert_array_equal(saved, back)


def test_create_gives_a_module_and_shapes_only():
    module, abstract = daflow.create("raft-small")
    assert module.config.small
    sizes = [leaf.size for leaf in jax.tree.leaves(abstract["params"])]
    assert sum(sizes) == 990_162  # RAFT-small as published


def test_warp_brings_frame_two_to_the_grid_of_frame_one():
    frames = tiny.frames(2)
    flow = np.zeros((100, 120, 2), np.float32)
    flow[..., 0] = -1.0  # the pattern moves to the left
    np.testing.assert_allclose(daflow.warp(frames[1], flow)[:, 1:], frames[0][:, 1:])


def test_degrade_repeats_and_depends_on_the_seed():
    frames = tiny.frames(2)
    worse = daflow.degrade(frames, recipe="noise", severity=2, seed=1)
    assert worse.shape == frames.shape and worse.dtype == np.uint8
    np.testing.assert_array_equal(worse, daflow.degrade(frames, "noise", 2, 1))
    assert (worse != daflow.degrade(frames, "noise", 2, 2)).any()


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        (tiny.frames(1), {}, "one frame only; flow needs two"),
        (tuple(tiny.frames(2)[i, : 90 + i] for i in (0, 1)), {}, "sizes 120x90 and 120x91"),
        (tiny.frames(2), {"iters": 0}, "iters 0: must be 1 or more"),
        (
            tiny.frames(2),
            {"denoise_steps": 2},
            "denoise_steps: is not an option of tiny. Known: iters",
        ),
        (tiny.frames(2), {"init_flow": np.zeros((9, 9, 2))}, r"init_flow: shape \(1, 9, 9, 2\)"),
    ],
)
def test_bad_calls_are_refused_in_one_line(frames, options, message):
    with pytest.raises(errors.UserError, match=message):
        tiny.model()(frames, **options)


@pytest.mark.parametrize(
    ("device", "message", "code"),
    [
        (
            "tpu",
            "--device tpu: JAX sees only cpu. Install daflow-jax.tpu. or run: daflow doctor",
            3,
        ),
        ("gqu", "device gqu: is unknown. Did you mean gpu", 2),
        ("cpu:99", "--device cpu:99: JAX sees", 3),
        ("auto:3", "device auto:3: '3' names none. Use auto, gpu or", 2),
        ("cuda:-1", "device cuda:-1: '-1' names none", 2),
    ],
)
def test_devices_that_are_not_there_are_named(device, message, code):
    from daflow_jax import api

    with pytest.raises(errors.UserError, match=message) as refusal:
        api.find_device(device)
    assert refusal.value.code == code
