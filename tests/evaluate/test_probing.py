"""Averages of an analysis, and the exchange of features between samples."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.evaluate.probing import averages, samples, whole
from daflow_jax.models.outputs import FlowOutput


def mean_of_backbone_frames(module, variables, key, frames, *, iters, backbone_frames):
    """Returns flow that is, everywhere, the mean of the frames that the backbone sees."""
    flow = jnp.full((1, *frames.shape[:1], 1, *frames.shape[2:4], 2), backbone_frames.mean())
    return FlowOutput(flow, flow[0])


def test_the_exchange_shows_the_backbone_another_clip(monkeypatch):
    monkeypatch.setattr(whole.models, "build", lambda config: None)
    monkeypatch.setattr(whole.calls, "call", mean_of_backbone_frames)
    zero, seen = np.zeros((16, 24, 2), np.float32), np.ones((16, 24), bool)
    own, other = (
        samples.Sample("", "", frames, frames, 0, zero, seen, seen)
        for frames in (np.full((2, 16, 24, 3), x, np.float32) for x in (0.25, 0.75))
    )
    measured = whole.exchange(None, {}, 2, 0)(own, other)
    expected = {"epe": 0.25 * np.sqrt(2), "epe_exchanged": 0.75 * np.sqrt(2)}
    assert measured == pytest.approx(expected, rel=1e-4)


def test_averages_are_over_data_sets_without_excluded_ones_and_unknown_values():
    of = [SimpleNamespace(dataset=name) for name in ("a", "a", "b", "tiny")]
    values = [{"epe": x} for x in (1.0, float("nan"), 5.0, 99.0)]
    found = list(zip(of, values, strict=True))
    assert averages.average(found, exclude={"b"}) == {"epe": 50.0}, "a name has no meaning"
    assert averages.average(found, exclude={"a", "b", "tiny"}) == averages.average(found)
