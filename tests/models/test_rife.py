"""RIFE against the published networks, and laws of its call."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, models, pretrained
from daflow_jax.convert import engine
from daflow_jax.models.rife import motion
from daflow_jax.predict import options
from tests.models import parity, parity_rife, parity_rife_real, parity_rife_train
from tests.models import published_rife as published

QUICK = ("rife_v35",)
slow = pytest.mark.slow


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=slow) for n in parity_rife.ROWS]
)
@pytest.mark.parametrize("part", ["a", pytest.param("b", marks=slow)])
def test_every_stage_equals_the_published_network(name, part):
    file = f"{name.removesuffix('_one_way')}_{part}"
    if not (published.GOLDEN / f"{file}.npz").is_file():
        pytest.skip("set DAFLOW_GOLDEN_INTERPOLATION to a folder with the second set")
    rows, names = list(parity_rife.ROWS[name](part)), set(published.fixture(file))
    if name.startswith("rife_v38"):
        one = name.endswith("one_way")
        names = {n for n in names if n.startswith("one_way" if one else "two_way")}
    parity.check(rows, names, parity_rife.INPUTS)


@slow
@pytest.mark.parametrize("part", "ab")
def test_two_steps_of_training_equal_the_published_ones(part):
    if not (published.GOLDEN / f"rife_train_{part}.npz").is_file():
        pytest.skip("set DAFLOW_GOLDEN_INTERPOLATION to a folder with the second set")
    golden = published.fixture(f"rife_train_{part}")
    parity.check(parity_rife_train.rows(part), golden, parity_rife_train.INPUTS)


@slow
@pytest.mark.skipif(
    not parity_rife_real.WEIGHTS.is_dir(), reason="set DAFLOW_RIFE_WEIGHTS to published files"
)
@pytest.mark.parametrize("part", "ab")
def test_published_weights_give_the_published_frames(part):
    golden = published.fixture(f"rife_real_{part}")
    parity.check(parity_rife_real.rows(part), golden, parity_rife_real.INPUTS)


def _tiny(preset: str, **more):
    widths = {"rife": (8, 8, 8), "rife-4.0": (8,) * 4, "rife-4.6": (8,) * 4, "rife-4.25": (8,) * 5}
    base = preset.removesuffix("-m").removesuffix("-2r")
    sizes = {"widths": widths[base]} if base in widths else {"width": 8}
    if preset in ("rife", "rife-m", "rife-2r", "rife-3.1", "rife-4.0"):
        sizes["context"] = 4
    return models.preset(preset, **sizes, **more)


@functools.cache
def _drawn(config):
    """Returns (module, variables) with random parameters; nothing is compiled."""
    rng = np.random.default_rng(0)
    flat = {
        path: np.float32(rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1])))
        for path, shape in pretrained.shapes(config).items()
    }
    return models.build(config), engine.unflatten(flat)


def _pairs(height=64, width=64, batch=1):
    return jax.random.uniform(jax.random.key(0), (batch, 2, height, width, 3))


@slow
@pytest.mark.parametrize("preset", ["rife-m", "rife-4.0"])
def test_given_motion_replaces_the_own_one(preset):
    module, variables = _drawn(_tiny(preset))
    size = module.config.minimum

    @jax.jit
    def both(variables, pairs, times):
        own = module.apply(variables, pairs, times, method="estimate")[-1]
        given = module.apply(variables, pairs, *own, method="synthesize")
        return module.apply(variables, pairs, times), given

    whole, given = both(variables, _pairs(size, size), jnp.array([0.5]))
    np.testing.assert_allclose(given, whole, atol=1e-6)
    assert 0 <= float(given.min()) <= float(given.max()) <= 1


@pytest.mark.parametrize(
    "preset, any_time, options",
    [
        pytest.param("rife", False, {"scale": 0.25}, marks=slow),
        pytest.param("rife-m", True, {"scale": 2.0}, marks=slow),
        ("rife-2r", False, {}),
        ("rife-3.1", False, {"scale": 0.5}),
        pytest.param("rife-3.5", False, {"scale": 4.0}, marks=slow),
        pytest.param("rife-3.8-one-way", False, {}, marks=slow),
        ("rife-4.0", True, {"scale": 0.5, "ensemble": True}),
        pytest.param("rife-4.6", True, {"ensemble": True}, marks=slow),
        ("rife-4.25", True, {"scale": 2.0}),
    ],
)
def test_frames_keep_their_size_whatever_the_scale(preset, any_time, options):
    module, variables = _drawn(_tiny(preset))
    assert module.config.any_time == any_time
    call = functools.partial(module.apply, **options)
    side = module.config.minimum
    out = jax.eval_shape(call, variables, _pairs(side, 3 * side, 2), jnp.array([0.25, 0.5]))
    assert out.shape == (2, side, 3 * side, 3) and out.dtype == jnp.float32


def test_bfloat16_layers_leave_flow_and_frames_float32():
    config = _tiny("rife-4.25")
    module = models.build(config, dtype=jnp.bfloat16)
    _, variables = _drawn(config)
    call = functools.partial(module.apply, method="estimate")
    found = jax.eval_shape(call, variables, _pairs(), jnp.array([0.5]))
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype("float32")}


@slow
def test_both_ways_are_the_same_for_the_frames_in_the_other_order():
    module, variables = _drawn(_tiny("rife-3.5"))
    pairs, times = _pairs(), jnp.array([0.5])
    run = jax.jit(functools.partial(module.apply, method="estimate"))
    there, back = (run(variables, x, times)[-1] for x in (pairs, pairs[:, ::-1]))
    np.testing.assert_allclose(motion.swap(back.flow), there.flow, atol=1e-4)
    np.testing.assert_allclose(-back.logit, there.logit, atol=1e-5)


@slow
def test_published_sizes():
    counts = {  # of the published files, without the teacher of 3.x and 4.0
        "rife": 10_708_215,
        "rife-m": 10_710_780,
        "rife-3.1": 17_579_312,
        "rife-3.5": 1_899_060,
        "rife-3.8": 2_277_600,
        "rife-4.0": 8_412_855,
        "rife-4.6": 5_306_256,
        "rife-4.25": 5_664_776,
    }
    for name, count in counts.items():
        shapes = pretrained.shapes(models.preset(name))
        assert sum(int(np.prod(shape)) for shape in shapes.values()) == count, name
    nano = pretrained.shapes(models.preset("rife-nano", teacher=False))
    assert 2 * sum(int(np.prod(shape)) for shape in nano.values()) < 4e6


@pytest.mark.parametrize(
    "preset, given, rule",
    [
        ("rife", {"scale": 0.3}, "0.3 is not a power of two"),
        ("rife", {"ensemble": True}, "is not an option of x"),
        ("rife-4.25", {"ensemble": True}, "4.25 has none"),
        ("rife-4.0", {"ensemble": 1}, "is not True or False"),
    ],
)
def test_options_outside_of_the_rules_are_refused(preset, given, rule):
    with pytest.raises(errors.UserError, match=rule) as refusal:
        options.chosen(models.preset(preset), {}, given, "x")
    assert refusal.value.code == 2


@pytest.mark.parametrize(
    "overrides", [dict(scales=(3, 2, 1)), dict(widths=(8, 8)), dict(context=0)]
)
def test_sizes_outside_of_the_rules_are_refused(overrides):
    with pytest.raises(errors.UserError):
        models.preset("rife", **overrides)
    with pytest.raises(errors.UserError):
        models.preset("rife-4.6", refine=True)


def test_slim_leaves_the_teacher_out():
    from daflow_jax.export import slim

    full = _tiny("rife-m")
    small = slim.config(full)
    assert full.teacher and not small.teacher
    flat = {name: np.zeros(shape) for name, shape in pretrained.shapes(full).items()}
    kept = dict(slim.arrays(full, small, flat))
    assert set(kept) == {name for name in flat if "block_tea" not in name}
    with pytest.raises(errors.UserError, match="slim already"):
        slim.config(small)
