"""The readout: features that know the classes are read out, constant ones are not."""

import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.evaluate.readout import run, sets

NAMES = ("none", "one", "two")


def _blocks(count, size, first):
    """Returns frames whose red channel is the class of 8 px blocks."""
    rng = np.random.default_rng(first)
    cells = rng.integers(0, 3, (count, size[0] // 8, size[1] // 8))
    classes = cells.repeat(8, 1).repeat(8, 2).astype(np.int32)
    frames = np.zeros((*classes.shape, 3), np.float32)
    frames[..., 0] = classes / 2
    return sets.Labelled(frames, classes, classes == 1, NAMES)


@pytest.fixture(scope="module", autouse=True)
def registered():
    sets.register("test_blocks", _blocks)


def _known(frames):
    red = frames[:, 4::8, 4::8, 0]
    return np.stack([red == value for value in (0, 0.5, 1)], -1).astype(np.float32)


def _constant(frames):
    return np.ones((*_known(frames).shape[:3], 4), np.float32)


@pytest.mark.slow
def test_features_that_know_the_classes_are_read_out():
    few = dict(size=(32, 32), train=8, test=8, draws=1)
    good, bad = (run.readout(x, "test_blocks", **few) for x in (_known, _constant))
    assert good["miou"][0] > 0.8 and good["miou_small"][0] > 0.6 and good["knn"] == [1.0]
    assert bad["miou"][0] < 0.25 and bad["knn"][0] < 0.5
    assert 1.9 < good["rank"] < 3.1 and bad["rank"] == 1.0


def test_the_generators_frames_have_small_and_large_objects():
    made = sets.get("shapes")(4, (48, 48), 0)
    assert made.frames.shape == (4, 48, 48, 3) and made.classes.max() <= len(made.names) - 1
    assert (made.classes[made.small] > 0).all()


def test_unknown_sets_and_empty_draws_are_refused():
    with pytest.raises(errors.UserError, match="Did you mean shapes"):
        run.readout(_known, "shape")
    with pytest.raises(errors.UserError, match="Each is at least 1"):
        run.readout(_known, "shapes", train=0)
