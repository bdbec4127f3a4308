"""Named sets of evaluations: folders and built sets of several sizes, exact means, nothing kept."""

import functools
import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, sharding
from daflow_jax.experiment import clip_sources, sections
from daflow_jax.input_pipeline import evaluation, on_device, settings
from daflow_jax.io import flow, image
from daflow_jax.metrics import mean
from daflow_jax.synthetic import scene
from daflow_jax.tasks.inputs import FLOW, FRAMES, MASK
from daflow_jax.train import evaluator, setup
from tests.train import toy

SCENE = scene.SceneConfig(
    frames=2, height=16, width=24, max_shapes=2, textures="procedural", num_textures=2,
    texture_size=64,
)  # fmt: skip
KEYS = ("lq", "hq", "flow", "valid", "weight")
DATA = settings.DataConfig(scene=SCENE, keys=KEYS, seed=3)
FIT = evaluation.Fit(8, 16)
SIZES = ((18, 25), (18, 25), (16, 40), (18, 25), (33, 17))


class Still(toy.Toy):
    """Says that nothing moves; its parameters do not matter."""

    best = "-epe"
    inputs = {"lq": FRAMES, "hq": FRAMES, "flow": FLOW, "valid": MASK}

    def evaluate(self, params, aux, batch, rng):
        length = jnp.linalg.norm(batch["flow"], axis=-1)
        counted = batch["valid"] & (batch["weight"] > 0)[:, None, None, None]
        change = jnp.abs(batch["lq"] - batch["hq"]).mean((1, 2, 3, 4))
        return {
            "epe": mean.Mean.of(length, counted),
            "change": mean.Mean.of(change, batch["weight"]),
        }


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A pairs folder whose flow is everywhere the number of the pair."""
    folder, rng = tmp_path_factory.mktemp("sets") / "pairs", np.random.default_rng(0)
    for number, size in enumerate(SIZES):
        place = folder / f"set/{number}"
        place.mkdir(parents=True)
        for frame in (1, 2):
            pixels = rng.integers(0, 255, (*size, 3), np.uint8)
            image.write_image(place / f"frame{frame}.png", pixels)
        flow.write_flow(place / "flow.flo", np.full((*size, 2), number, np.float32))
        (place / "meta.json").write_text("{}")
    return folder


def _evaluated(sets, devices=1, place="host", data=DATA, batch_size=2):
    mesh = sharding.make_mesh({"data": -1}, jax.devices()[:devices])
    listed = sections.section(evaluator.EvalConfig, {"eval": {"sets": sets, "batches": 4}}, "eval")
    found = clip_sources.evaluations(place, data, listed, batch_size, mesh, FIT)
    return found, evaluator.Evaluator(Still(), found, mesh)


@functools.cache
def _state():
    e = toy.experiment()
    return setup.initial_state(e, setup.abstract_state(e))


def _expected(numbers):
    pixels = {n: (SIZES[n][0] // 8 * 8) * (SIZES[n][1] // 8 * 8) for n in numbers}
    total = sum(pixels.values())
    return sum(np.sqrt(2) * n * count for n, count in pixels.items()) / total


def test_sets_of_several_sizes_are_cut_padded_and_averaged_exactly(root):
    pairs = {"kind": "folder", "path": str(root), "degrade": False}
    sets = (
        pairs | {"name": "all"},
        pairs | {"name": "two", "batches": 1},
        {"name": "made", "kind": "synthetic"},
    )
    for devices, batch_size in ((1, 2), (4, 4)):
        found, run = _evaluated(sets, devices, batch_size=batch_size)
        got = run(_state())
        assert list(got) == ["all", "two", "made"]
        np.testing.assert_allclose(got["all"]["epe"], _expected(range(5)), rtol=1e-5)
        assert got["all"]["change"] == 0 and got["made"]["change"] > 0
    first, again = ([b["lq"].shape for b in found["all"]()] for _ in range(2))
    assert first == again and {shape[2:4] for shape in first} == {(16, 24), (16, 40), (32, 16)}
    _, two = _evaluated(sets[1:2])
    np.testing.assert_allclose(two(_state())["two"]["epe"], _expected((0, 2)), rtol=1e-5)


def test_windows_are_spread_over_a_set_and_the_same_every_time(root):
    class Clip:
        name = "c"

        def __init__(self, known):
            self.known = known

        def __len__(self):
            return len(self.known) + 1

        def read(self, start, count, backward=False):
            return {}

    spread, long = evaluation._spread, [Clip((True,) * 9), Clip((False, True, False))]
    assert spread(long, 3, 99) == [(0, 0), (0, 2), (0, 4), (0, 6), (1, 0)]
    assert spread(long, 2, 4) == [(0, 0), (0, 2), (0, 5), (0, 7)]
    assert spread(long * 4, 2, 3) == [(0, 0), (2, 0), (5, 1)]


def test_degraded_sets_repeat_and_clean_ones_keep_their_frames(root):
    source = settings.EvalSource("pairs", path=str(root))
    first, again = (evaluation.FileWindows(DATA, source, 9, FIT)[1] for _ in range(2))
    np.testing.assert_array_equal(first["lq"], again["lq"])
    assert set(first) == set(KEYS) and first["hq"].shape == (2, 16, 24, 3)
    small = evaluation.FileWindows(DATA, source, 9, evaluation.Fit(8, 32))
    with pytest.raises(errors.UserError, match="18x25 frames; the network wants at least 32"):
        small.groups()


def test_host_clips_are_made_anew_and_not_kept():
    found, _ = _evaluated(({"name": "made", "kind": "synthetic"},))
    batches = found["made"]()
    batch = next(batches)
    held = weakref.ref(batch["hq"])
    copy = batch["hq"].copy()
    del batch, batches
    gc.collect()
    assert held() is None
    np.testing.assert_array_equal(next(found["made"]())["hq"], copy)


def test_the_generator_of_the_device_is_traced_once(monkeypatch):
    calls, made = [], on_device.device_batch
    monkeypatch.setattr(on_device, "device_batch", lambda *args: (calls.append(1), made(*args))[1])
    found, run = _evaluated((), place="device")
    assert list(found) == ["synthetic"]
    assert run(_state()) == run(_state()) and len(calls) == 1


@pytest.mark.parametrize(
    "sets, message",
    [
        (({"name": "a", "kind": "foldr"},), "set a.kind: unknown 'foldr'.*Did you mean folder"),
        (({"name": "a", "kind": "folder"},), "eval set a.path: is missing"),
        (({"name": "a/b", "kind": "synthetic"},), "'a/b': is not a name"),
        (({"kind": "synthetic"},), r"eval.sets\[0\].name: is missing"),
        (({"name": "a", "kind": "synthetic", "split": "x"},), "a.split: means nothing"),
        (({"name": "a", "kind": "synthetic"},) * 2, "two sets are called 'a'"),
        ("sintel", "is not a list of sets"),
    ],
)
def test_wrong_sets_are_refused(sets, message):
    with pytest.raises(errors.UserError, match=message):
        _evaluated(sets)
