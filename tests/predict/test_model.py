"""Flow models on real tiny networks: sizes, batches, padding, devices, memory, sharing."""

import subprocess
import sys
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import api, errors, predict, tasks
from daflow_jax.ops import coarse_to_fine
from daflow_jax.predict.flow import consistency, pairs
from daflow_jax.predict.flow import estimator as estimators
from tests import tiny
from tests.predict.fakes import Mean, Watched, estimator, registered  # noqa: F401


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (33, 127), (101, 97)])
def test_small_and_odd_frames_give_finite_flow_of_their_own_size(size):
    frames = tiny.frames(2, *size)
    flow = tiny.model()((frames[0], frames[1]))
    assert flow.shape == (*size, 2) and flow.dtype == np.float32
    assert np.isfinite(flow).all()


def test_batched_equals_single_and_repeats_to_the_bit():
    frames, model = tiny.frames(4), tiny.model()
    batched = model(frames)
    single = np.stack([model((frames[i], frames[i + 1])) for i in range(3)])
    assert np.abs(single).max() > 0.1, "random weights must move something"
    np.testing.assert_allclose(batched, single, atol=1e-3)
    np.testing.assert_array_equal(model(frames), batched)


@pytest.mark.parametrize("size", [(100, 120), (128, 160)])
def test_frames_are_padded_no_further_than_the_network_needs(size):
    frames, model = tiny.frames(2, *size), tiny.model()
    around = predict.fit(size, 8, 128)
    padded = predict.pad(predict.as_frames(frames), around)
    with jax.default_matmul_precision("highest"):
        apply = jax.jit(model.module.apply, static_argnums=2)
        out = apply(model.variables, jnp.asarray(padded[None]), tiny.ITERS)
    expected = predict.crop(np.asarray(out.flows)[-1, 0, 0], around)
    np.testing.assert_allclose(model((frames[0], frames[1])), expected, atol=1e-4)


def test_prediction_estimates_sizes_as_training_does(monkeypatch):
    monkeypatch.setattr(coarse_to_fine, "SMALLEST", 50)
    frames, variables = tiny.frames(2), tiny.variables()
    model = api.FlowModel(tiny.config(), variables, layout=predict.Layout(scales=(0.6, 0.9)))
    task = tasks.OpticalFlow(model.module, iters=tiny.ITERS, scales=(0.6, 0.9))
    lq = jnp.asarray(predict.as_frames(frames))[None]
    with jax.default_matmul_precision("highest"):
        estimate = jax.jit(lambda p: task._estimate(p, {}, lq, jax.random.key(0), False)[0])
        outs = estimate(model.params)
    assert [out.flows.shape[-3:-1] for out in outs] == [(60, 72), (90, 108), (100, 120)]
    expected = np.asarray(outs[-1].flows)[-1, 0, 0]
    np.testing.assert_allclose(model(tuple(frames), iters=tiny.ITERS), expected, atol=1e-4)
    assert np.abs(tiny.model()(tuple(frames)) - expected).max() > 0.1


def test_models_of_one_form_share_their_programs_and_keep_their_weights():
    frames, meta = tuple(tiny.frames(2)), {"name": "other", "defaults": {"iters": tiny.ITERS}}
    weights = jax.tree.map(lambda x: 0.5 * x, tiny.variables())
    flow = tiny.model()(frames)
    other = api.FlowModel(tiny.config(), weights, meta=meta)
    assert np.abs(other(frames) - flow).max() > 0.1
    assert other.programs.compile_seconds == 0 < other.programs.peak_bytes
    np.testing.assert_array_equal(tiny.model()(frames), flow)
    rounded = api.FlowModel(tiny.config(), weights, meta=meta, precision="bf16")
    rounded(frames)
    assert rounded.programs.compile_seconds > 0


def test_a_model_in_a_global_leaves_no_traceback_at_exit():
    code = (
        "from tests import tiny\n"
        "model = tiny.model()\n"
        "model(tiny.frames(2), iters=1)\n"
        "other = [model]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr, done.stderr


@pytest.mark.usefixtures("registered")
def test_a_clip_is_copied_a_batch_at_a_time():
    clip = np.random.default_rng(0).integers(0, 256, (65, 128, 136, 3), dtype=np.uint8)
    chosen, batch = estimator(Watched(Mean()), batch=2), 3 * clip[0].size * 4
    pairs.estimate_clip(chosen, clip[:3])
    chosen.programs.__class__ = predict.Programs  # watches no longer
    tracemalloc.start()
    result = pairs.estimate_clip(chosen, clip)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.flow.shape == (64, 128, 136, 2)
    assert peak - result.flow.nbytes < 4 * batch < clip.nbytes


@pytest.mark.usefixtures("registered")
def test_everything_runs_on_the_device_that_was_asked_for(monkeypatch):
    used = set()

    def watch(owner, name):
        function = getattr(owner, name)

        def watched(*args):
            out = function(*args)
            arrays = (x for x in jax.tree.leaves((args, out)) if isinstance(x, jax.Array))
            used.update((name, device.id) for x in arrays for device in x.devices())
            return out

        monkeypatch.setattr(owner, name, watched)

    names = {"__call__", "_compare", "_enlarged", "_low", "_cut"}
    watch(predict.Programs, "__call__")
    watch(consistency, "_compare")
    for name in ("_enlarged", "_low", "_cut"):
        watch(estimators, name)
    chosen = estimator(Watched(Mean(), "cpu:3"), 0.8, max_size=150, tile=(128, 128))
    init = np.zeros((1, 160, 180, 2), np.float32)
    pairs.estimate_clip(chosen, tiny.frames(2, 160, 180), bidirectional=True, init_flow=init)
    assert chosen.device == jax.devices("cpu")[3] and used == {(name, 3) for name in names}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"iter": 3},
            "iter: is not an option of tiny. Did you mean iters? Known: iters.",
        ),
        ({"denoise_steps": 2}, "denoise_steps: is not an option of tiny. Known: iters."),
        ({"iters": 1.5}, "iters 1.5: is not a whole number"),
        ({"iters": 0}, "iters 0: must be 1 or more"),
    ],
)
def test_options_that_a_model_has_not_are_refused_with_those_that_it_has(options, message):
    with pytest.raises(errors.UserError) as refusal:
        tiny.model()(tiny.frames(2), **options)
    assert message in str(refusal.value)
    with pytest.raises(errors.UserError):
        tiny.model().stream(tiny.frames(2), **options)


def test_options_that_do_not_go_together_are_refused_by_the_entry():
    model = api.FlowModel(tiny.daflow_config(), tiny.daflow_variables())
    with pytest.raises(errors.UserError, match="tap_step 2: is not in 0..1 of 2 steps"):
        model(tiny.frames(3), denoise_steps=2, tap_step=2)
