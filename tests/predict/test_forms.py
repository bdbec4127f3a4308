"""What a model is called on, and what copies of it are."""

import copy
import pickle

import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.errors import UserError
from tests import tiny

FRAMES = tiny.frames(3)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "there are none"),
        (np.zeros((0, 40, 40, 3), np.uint8), "one frame only"),
        (np.zeros((2, 0, 40, 3), np.uint8), "under 2x2 pixels"),
        (FRAMES[0], r"one frame only, of shape \(100, 120, 3\)"),
        ((FRAMES, FRAMES), r"a list or tuple of arrays \(3, 100, 120, 3\)"),
        (FRAMES[None], r"is not \(t, h, w, 3\)"),
        ([[1, 2], [3]], "it holds frames"),
        (None, r"is not \(t, h, w, 3\)"),
        (FRAMES.astype(complex), "is not uint8, uint16 or float"),
    ],
)
def test_other_forms_are_refused_in_one_line(frames, message):
    with pytest.raises(UserError, match=message):
        tiny.model()(frames)


def test_bfloat16_frames_are_read():
    frames = jnp.asarray(FRAMES / 256, jnp.bfloat16)
    expected = tiny.model()(np.asarray(frames, np.float32))
    np.testing.assert_array_equal(tiny.model()(frames), expected)
    np.testing.assert_array_equal(tiny.model()(list(frames)), expected)


def test_copies_and_pickles_compute_the_same():
    model = tiny.model()
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert (other.name, other.iters, other.layout) == (model.name, model.iters, model.layout)
        np.testing.assert_array_equal(other(FRAMES), model(FRAMES))
