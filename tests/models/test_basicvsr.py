"""BasicVSR and SPyNet: plain forms in NumPy, published names, parts of clips, real weights."""

import flax.linen as nn
import jax
import numpy as np
import pytest

from daflow_jax import errors, models, pretrained
from daflow_jax.convert import engine
from daflow_jax.models.basicvsr import convert, model
from daflow_jax.models.spynet import convert as spynet_convert
from daflow_jax.models.spynet import pyramid
from daflow_jax.pretrained import published
from tests.golden import weights
from tests.models import parity, parity_basicvsr, plain_restorers, real_weights


@pytest.fixture(scope="module")
def nano():
    """Configuration, published state dict, variables, and a clip of four frames."""
    config = models.preset("basicvsr-nano")
    inner = config.spynet
    state = weights.state_dict(
        plain_restorers.names(config.width, config.blocks, inner.widths, inner.levels)
    )
    state["spynet.mean"], state["spynet.std"] = (np.float32(x) for x in _constants())
    shapes = pretrained.shapes(config)
    found = engine.convert(state, convert.RULES, shapes, convert.IGNORED).parameters
    clip = np.random.default_rng(0).random((4, 9, 14, 3), np.float32)
    return config, state, engine.unflatten(found), clip


def _constants():
    return (np.reshape(x, (1, 3, 1, 1)) for x in (pyramid.MEAN, pyramid.STD))


@pytest.fixture(scope="module")
def whole(nano):
    """The frames of the clip restored together, (4, 36, 56, 3), not clipped, by our network."""
    config, _, variables, clip = nano
    module = models.build(config)

    def run(net, frames):
        return net.part(frames, model.start(net, 1, frames.shape[2:4]), 4)[0][0]

    return np.asarray(jax.jit(nn.apply(run, module))(variables, clip[None]))


def test_frames_equal_a_plain_form(nano, whole):
    config, state, _, clip = nano
    plain = plain_restorers.basicvsr(
        state, np.float64(clip.transpose(0, 3, 1, 2)), config.blocks, config.spynet.levels
    )
    np.testing.assert_allclose(whole, plain.transpose(0, 2, 3, 1), rtol=0, atol=1e-5)


def test_flow_of_its_spynet_equals_a_plain_form(nano):
    config, state, variables, clip = nano
    net = models.build(config.spynet)
    params = {"params": variables["params"]["spynet"]}
    out = jax.jit(net.apply)(params, clip[None, :2])
    one, two = np.float64(clip[:2].transpose(0, 3, 1, 2))
    plain = plain_restorers.spynet(state, one, two, config.spynet.levels)
    assert np.abs(plain).max() > 0.1
    np.testing.assert_allclose(out.flows[0, 0, 0], plain.transpose(1, 2, 0), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(out.low, out.flows[0])


def test_parts_that_look_to_the_end_equal_the_whole_clip(nano, whole):
    """The second part lacks its last frame, which must then count for nothing."""
    config, _, variables, clip = nano
    module = models.build(config)

    def run(net, frames, state, exist):
        return net.part(frames, state, 2, exist)

    step = jax.jit(nn.apply(run, module))
    state = model.start(module, 1, clip.shape[1:3])
    first, state = step(variables, clip[None], state, 4)
    later = np.concatenate([clip[2:], np.ones_like(clip[:2])])
    second, _ = step(variables, later[None], state, 2)
    ours = np.concatenate([first[0], second[0]])
    np.testing.assert_allclose(ours, whole, rtol=0, atol=1e-5)


def test_spynets_own_names_and_those_of_other_releases(nano):
    config, state, variables, _ = nano
    shapes, table = pretrained.shapes(config.spynet), spynet_convert.ARCHITECTURES["spynet"]
    flow = {n: x for n, x in state.items() if n.startswith("spynet.basic")}
    forms = {
        "of BasicVSR's file": state,
        "alone": {n.removeprefix("spynet."): x for n, x in flow.items()},
        "moduleBasic": {
            n.removeprefix("spynet.").replace("basic_module", "moduleBasic"): x
            for n, x in flow.items()
        },
        "MMEditing's": {f"generator.{_counted(n)}": x for n, x in flow.items()},
    }
    for form, given in forms.items():
        ignored = table.ignored(config.spynet)
        found = engine.convert(given, table.rules, shapes, ignored).parameters
        for path, array in found.items():
            inside = engine.flatten(variables)[path.replace("params/", "params/spynet/")]
            np.testing.assert_array_equal(array, inside, err_msg=form)


def _counted(name):
    *first, number, kind = name.split(".")
    return ".".join([*first, str(int(number) // 2), "conv", kind])


def test_other_constants_are_refused(nano):
    _, state, _, _ = nano
    wrong = {**state, "spynet.mean": np.float32([[[0.5]], [[0.5]], [[0.5]]])[None]}
    request = published.Request("file.pth")
    spynet_convert.check(request, state, None)
    with pytest.raises(errors.UserError, match=r"file.pth: its spynet.mean is 0.5, 0.5, 0.5; this"):
        spynet_convert.check(request, wrong, None)


@real_weights.needs("basicvsr")
def test_published_weights_give_the_published_frames(tmp_path):
    net, golden = real_weights.load("basicvsr", tmp_path), real_weights.golden("basicvsr")
    with jax.default_matmul_precision("highest"):
        parity.check(parity_basicvsr.rows(net, golden), golden, parity_basicvsr.INPUTS)
    assert parity_basicvsr.gain_over_bicubic(net, golden) > 4
