"""Flow-guided results: what is followed, what is not, and runs that go on."""

import types

import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.predict.restoration import guidance
from tests import larger, tiny

SIZE = (12, 16)


class Shift:
    """A flow model for which every frame lies `columns` left of the one before."""

    device = None

    def __init__(self, columns: float, confidence: float = 1.0):
        flow = np.zeros((*SIZE, 2), np.float32)
        flow[..., 0] = -columns
        sure = np.full(SIZE, confidence, np.float32)
        self._found = types.SimpleNamespace(flow=flow, confidence=sure)

    def __call__(self, pair, bidirectional):
        assert bidirectional and len(pair) == 2
        return self._found


def _scene(noise):
    """Returns frames of a scene that moves by a column, and their results with noise, x4."""
    rng = np.random.default_rng(0)
    wide = tiny.frames(1, 4 * SIZE[0], 4 * (SIZE[1] + 4))[0] / 255
    clean = [wide[:, 4 * k : 4 * (k + SIZE[1])] for k in (3, 2, 1, 0)]
    made = [np.clip(x + rng.normal(0, noise, x.shape), 0, 1).astype(np.float32) for x in clean]
    frames = [np.zeros((*SIZE, 3), np.uint8)] * 4
    return clean, [guidance.Made(f, r) for f, r in zip(frames, made, strict=True)]


def test_noise_that_differs_from_frame_to_frame_falls():
    clean, made = _scene(0.03)
    results = list(guidance.guided(made, guidance.Guide(Shift(1), 0.7)))
    inner = (slice(None), slice(20, None))
    before, after = (
        np.abs(r / np.float32(255 if r.dtype == np.uint8 else 1) - c)[inner].mean()
        for r, c in ((made[3].result, clean[3]), (results[3], clean[3]))
    )
    assert after < 0.75 * before
    rounded = [one._replace(result=guidance.levels(one.result)) for one in made]
    again = np.stack(list(guidance.guided(rounded, guidance.Guide(Shift(1), 0.7))))
    assert np.abs(again.astype(int) - np.stack(results)).max() <= 2


def test_flow_that_is_not_sure_and_frames_that_differ_change_nothing():
    _, made = _scene(0.03)
    plain = [guidance.levels(one.result) for one in made]
    unsure = guidance.guided(made, guidance.Guide(Shift(1, 0.0), 0.7))
    np.testing.assert_array_equal(list(unsure), plain)
    cut = [made[0], guidance.Made(made[1].frame, 1 - np.round(made[0].result))]
    results = list(guidance.guided(cut, guidance.Guide(Shift(0), 0.7)))
    assert np.abs(results[1].astype(int) - guidance.levels(cut[1].result)).mean() < 1


def test_a_run_that_goes_on_gives_the_same():
    _, made = _scene(0.02)
    guide = guidance.Guide(Shift(1), 0.6)
    whole = list(guidance.guided(made, guide))
    kept = [guidance.Made(m.frame, w, final=k < 2) for k, (m, w) in enumerate(zip(made, whole))]
    kept[2:] = made[2:]
    np.testing.assert_array_equal(list(guidance.guided(kept, guide)), whole)


def test_results_of_an_earlier_run_are_read_and_not_made():
    model = larger.model("rrdb-nano")
    frames = tiny.frames(5, 12, 16)
    plain = list(model.stream(frames, levels=True))
    kept, asked = {1: plain[1] // 2, 4: plain[4]}, iter(range(5))

    def done():
        number = next(asked)
        return (lambda: kept[number]) if number in kept else None

    results = list(model.stream(frames, levels=True, done=done))
    for number, result in enumerate(results):
        np.testing.assert_array_equal(result, kept.get(number, plain[number]))
    with pytest.raises(errors.UserError, match="done: is for networks that see single frames"):
        model.stream(frames, done=done, window=2)
