import dataclasses

import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.input_pipeline import evaluation, loader, settings
from daflow_jax.synthetic import scene
from daflow_jax.tasks import inputs
from tests import batches

SCENE = scene.SceneConfig(
    frames=2,
    height=32,
    width=48,
    max_shapes=3,
    textures="procedural",
    num_textures=4,
    texture_size=64,
)
KEYS = (*inputs.CLIP, "weight")
CONFIG = settings.DataConfig(scene=SCENE, keys=KEYS)


def take(iterator, count):
    return [next(iterator) for _ in range(count)]


def assert_same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert set(a) == set(b)
        for key in a:
            np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def test_batches_keep_the_rules_and_repeat():
    first = take(loader.make_loader(CONFIG, 3), 2)
    batches.check(first[0])
    assert set(first[0]) == set(KEYS) and first[0]["lq"].shape == (3, 2, 32, 48, 3)
    assert_same(first, take(loader.make_loader(CONFIG, 3), 2))
    assert not np.array_equal(first[0]["hq"], first[1]["hq"])
    other = next(loader.make_loader(dataclasses.replace(CONFIG, seed=1), 3))
    assert not np.array_equal(first[0]["hq"], other["hq"])


def test_the_batches_of_two_processes_stack_to_those_of_one():
    whole = take(loader.make_loader(CONFIG, 4), 3)
    halves = [take(loader.make_loader(CONFIG, 2, process, 2), 3) for process in (0, 1)]
    for step, batch in enumerate(whole):
        for process in (0, 1):
            for key, value in halves[process][step].items():
                np.testing.assert_array_equal(
                    value, batch[key][2 * process : 2 * process + 2], err_msg=key
                )


def test_resume_is_exact_also_with_another_process_count():
    first = loader.make_loader(CONFIG, 4)
    take(first, 2)
    state = first.get_state()
    expected = take(first, 2)
    again = loader.make_loader(CONFIG, 4)
    again.set_state(state)
    assert_same(take(again, 2), expected)
    half = loader.make_loader(CONFIG, 2, 1, 2)
    assert take(half, 2) and half.get_state() == state  # half the rows, the same place
    half.set_state(state)
    np.testing.assert_array_equal(next(half)["lq"], expected[0]["lq"][2:])


def test_workers_give_the_same_batches_and_resume():
    workers = loader.make_loader(dataclasses.replace(CONFIG, num_workers=2), 2)
    plain = loader.make_loader(CONFIG, 2)
    assert_same(take(workers, 3), take(plain, 3))
    resumed = loader.make_loader(CONFIG, 2)
    resumed.set_state(workers.get_state())
    assert_same(take(resumed, 1), take(plain, 1))
    workers.close()


def test_state_of_another_stream_is_refused():
    state = loader.make_loader(CONFIG, 4).get_state()
    with pytest.raises(errors.UserError, match="global_batch 4, now it is 6"):
        loader.make_loader(CONFIG, 6).set_state(state)
    with pytest.raises(errors.UserError, match="seed 0, now it is 9"):
        loader.make_loader(dataclasses.replace(CONFIG, seed=9), 4).set_state(state)


def test_share_of_clean_clips_is_kept():
    degrade = dataclasses.replace(CONFIG.degrade, clean_share=0.5, jitter_share=0.0)
    clips = next(loader.make_loader(dataclasses.replace(CONFIG, degrade=degrade), 60))
    clean = (clips["lq"] == clips["hq"]).all((1, 2, 3, 4))
    assert 0.3 < clean.mean() < 0.7


@pytest.mark.parametrize("name", ["realbasicvsr", "star"])
def test_a_published_pipeline_degrades_and_repeats(name):
    degrade = settings.DegradeConfig(pipeline=name, clean_share=0.0, jitter_share=0.0)
    config = dataclasses.replace(CONFIG, degrade=degrade)
    clips = next(loader.make_loader(config, 3))
    assert_same([clips], [next(loader.make_loader(config, 3))])
    assert 0.01 < np.abs(clips["lq"] - clips["hq"]).mean() < 0.3


def test_eval_clips_are_fixed_and_held_out():
    first, again = ([evaluation.HeldOut(CONFIG)[n] for n in range(2)] for _ in range(2))
    assert_same(first, again)
    assert first[0]["lq"].shape == (2, 32, 48, 3)
    train = next(loader.make_loader(CONFIG, 2))
    assert not np.array_equal(first[0]["flow"], train["flow"][0])


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: loader.make_loader(settings.DataConfig(name="sintetic"), 1), "Did you mean synt"),
        (lambda: settings.DegradeConfig(mode="video"), "mode: is .video.. Known: clip, frame"),
        (lambda: settings.DegradeConfig(pipeline="starr"), "unknown pipeline 'starr'"),
        (lambda: settings.DegradeConfig(min_severity=4.0, max_severity=3.0), "ordered"),
        (lambda: loader.make_loader(CONFIG, 0), "at least 1"),
    ],
)
def test_wrong_settings_are_refused(make, match):
    with pytest.raises(errors.UserError, match=match):
        make()
