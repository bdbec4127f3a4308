"""Models of every kind by one function, and flow networks that refine nothing."""

import dataclasses
import itertools
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import daflow_jax
from daflow_jax import api, errors, models, predict, pretrained
from daflow_jax.cli import call_options, options
from daflow_jax.models.outputs import FlowOutput
from tests import tiny


@dataclasses.dataclass(frozen=True)
class ShiftConfig:
    """Of a flow network on a grid of quarters."""

    speed: float = 1.0
    frames: int = 2
    multiple: int = 4
    minimum: int = 12
    stride: int = 4
    uncertainty: bool = False


class Shift(nn.Module):
    """Says that everything moves right, and takes no other argument than a factor."""

    config: ShiftConfig
    dtype: object = None
    param_dtype: object = jnp.float32

    @nn.compact
    def __call__(self, frames, *, factor: int = 1):
        speed = self.param("speed", nn.initializers.constant(self.config.speed), ())
        b, f, h, w, _ = frames.shape
        assert h % 4 == w % 4 == 0 and min(h, w) >= 12
        flow = jnp.broadcast_to(factor * speed * jnp.array([1.0, 0.0]), (1, b, f - 1, h, w, 2))
        return FlowOutput(flow, flow[0, :, :, ::4, ::4] / 4)


@dataclasses.dataclass(frozen=True)
class BlendConfig:
    """Of an interpolator."""

    frames: int = 2
    multiple: int = 16
    minimum: int = 16
    any_time: bool = True


class Blend(nn.Module):
    """Fades from one frame to the next."""

    config: BlendConfig
    dtype: object = None
    param_dtype: object = jnp.float32

    @nn.compact
    def __call__(self, pairs, times):
        assert pairs.shape[2] % 16 == pairs.shape[3] % 16 == 0
        gain = self.param("gain", nn.initializers.ones, ())
        at = times[:, None, None, None]
        return gain * ((1 - at) * pairs[:, 0] + at * pairs[:, 1])


@pytest.fixture(scope="module", autouse=True)
def entries():
    """Registers both while a module of tests runs."""
    clip = jax.ShapeDtypeStruct((1, 2, 16, 16, 3), "float32")
    times = jax.ShapeDtypeStruct((1,), "float32")
    made = [
        models.Entry(
            "shift", "flow", ShiftConfig, Shift, {}, lambda c: models.Example((clip,)),
            call_options=(models.CallOption("factor", "of the speed"),),
        ),
        models.Entry(
            "blend", "interpolation", BlendConfig, Blend, {},
            lambda c: models.Example((clip, times)),
        ),
    ]  # fmt: skip
    for entry in made:
        models.register(entry)
    yield
    for entry in made:
        del models.ENTRIES[entry.family]


def load(config, folder, **place):
    """Returns the model of new weights, saved and loaded."""
    variables = models.calls.init(models.build(config), jax.random.key(0))
    pretrained.save(folder, config, variables, name=folder.name)
    return api.load(folder, **place)


def test_a_flow_network_without_steps_is_called_on_its_own_grid(tmp_path):
    model = load(ShiftConfig(speed=2.0), tmp_path / "shift")
    assert isinstance(model, daflow_jax.FlowModel)
    assert model.iters is None and model.defaults == {} and model.scales == ()
    flow = model(tiny.frames(4, 9, 30), factor=3)
    np.testing.assert_array_equal(flow, np.broadcast_to(np.float32([6, 0]), (3, 9, 30, 2)))
    assert np.asarray(next(model.stream(tiny.frames(2, 9, 30)))).shape == (9, 30, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, f: m(f, iters=3), "iters: is not an option of shift. Known: factor"),
        (lambda m, f: m(f, all_iterations=True), "all_iterations: shift does not refine"),
        (lambda m, f: m(f, init_flow=np.zeros((1, 16, 16, 2))), "init_flow: shift does not"),
        (lambda m, f: m.stream(f, warm_start=True), "warm_start: shift does not refine a flow"),
        (lambda m, f: type(m)(m.config, m.variables, meta=m.meta, layout=api.Layout(scales=(0.5,))),
         "scales: shift does not refine"),
    ],
)  # fmt: skip
def test_what_needs_refinement_is_refused(call, message, tmp_path):
    model = load(ShiftConfig(), tmp_path / "shift")
    with pytest.raises(errors.UserError, match=message):
        call(model, tiny.frames(2, 16, 16))


def test_an_interpolator_gives_frames_between_those_of_a_clip(tmp_path):
    model = load(BlendConfig(), tmp_path / "blend")
    assert isinstance(model, daflow_jax.InterpolationModel)
    frames = tiny.frames(3, 20, 37)
    out = model(frames, times=(0.25, 0.5))
    unit = frames / np.float32(255)
    for index, (k, time) in itertools.product((0, 1), enumerate((0.25, 0.5))):
        expected = (1 - time) * unit[index] + time * unit[index + 1]
        np.testing.assert_allclose(out[index, k], expected, atol=1e-6)
    with pytest.raises(errors.UserError, match=r"times: \(1.0,\) are not between 0 and 1"):
        model(frames, times=(1.0,))
    with pytest.raises(errors.UserError, match="is an interpolation model .blend. and has no flow"):
        api.load(tmp_path / "blend", kind="flow")


def test_features_of_frames_are_maps_of_padded_frames(tmp_path):
    config = models.preset("sd3-vae", widths=(8, 8), blocks=1, channels=4, groups=4)
    model = load(config, tmp_path / "vae", device="cpu:2")
    assert isinstance(model, daflow_jax.FeatureModel)
    maps = model(tiny.frames(3, 15, 18))
    assert maps.shape == (3, 8, 9, 4) and np.isfinite(maps).all()
    frames = predict.as_frames(tiny.frames(3, 15, 18))[:1]
    padded = predict.pad(frames, predict.fit((15, 18), 2))
    images = jnp.asarray(2 * padded - 1)
    encode = jax.jit(lambda variables: model.module.apply(variables, images, method="encode"))
    expected = encode(model.variables)
    np.testing.assert_allclose(maps[0], expected[0], atol=1e-4)


def test_flags_are_those_that_the_entries_of_a_kind_declare(tmp_path):
    import argparse

    parser = argparse.ArgumentParser()
    options.add_model(parser)
    args = parser.parse_args(["--factor", "2"])
    chosen = call_options.chosen(args, "flow")
    assert chosen == {"iters": None, "denoise_steps": None, "tap_step": None, "factor": 2}
    shown = parser.format_help()
    assert "of the speed; shift" in shown and "refinement steps" in shown
    with pytest.raises(SystemExit):
        parser.parse_args(["--factor", "0"])
    model = types.SimpleNamespace(entry=models.ENTRIES["shift"], defaults={"factor": 4})
    assert call_options.record(args, model)["factor"] == 2
    assert call_options.record(parser.parse_args([]), model)["factor"] == 4
