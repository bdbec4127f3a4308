"""The published wrappers: RIFE's padding, halves and flips; the gate; CogVideo's demo.

DAFLOW_GOLDEN_INTERPOLATION names a folder with all fixtures; the tests have set a.
"""

from fractions import Fraction

import numpy as np
import pytest

from daflow_jax.metrics import thumbnail_ssim
from daflow_jax.predict.interpolation.stream import Ask
from tests.models import parity
from tests.models import parity_interpolation as published
from tests.models.published_rife import fixture
from tests.predict.interpolation import fakes


def test_the_gate_sees_padded_frames_as_the_demo_does():
    golden = fixture("rife_demo_a")
    thumbs = [thumbnail_ssim.thumbnail(frame, (64, 96)) for frame in golden["clip"]]
    found = [thumbnail_ssim.similarity(a, b) for a, b in zip(thumbs, thumbs[1:])]
    expected = golden["ssim_calls"][[0, 1, 3, 4]]  # the third: after frame 1 was replaced
    np.testing.assert_allclose(found, expected, atol=published.SIMILARITY)


def test_the_demo_replaces_a_frame_that_comes_again(golden_clip):
    first, last = golden_clip
    with fakes.registered():
        model = fakes.model()
        pairs = [(first, first.copy()), (first, last), (last, last)]
        asks = (Ask(a, b, Fraction(k, 2)) for a, b in pairs for k in range(2))
        run = model.stream(asks, gate="ssim", whole=False, as_demo=True)
        frames = [frame for _, frame in run]
    one, other = first / np.float32(255), last / np.float32(255)
    again = 1.03  # what the fade makes of a frame and itself
    expected = [again * one, (1 + again) / 2 * one, one, (one + other) / 2]
    expected += [again * other, (1 + again) / 2 * other]
    np.testing.assert_allclose(frames, expected, atol=1e-6)
    assert run.counts == {"static": 2, "moving": 1, "frames": 6}


@pytest.fixture
def golden_clip():
    """Returns two frames whose sides are multiples of 16."""
    clip = fixture("rife_demo_a")["clip"]
    return clip[0, :32, :64], clip[2, :32, :64]


@pytest.mark.slow
@pytest.mark.parametrize("name", published.available())
def test_every_array_of_the_published_wrappers(name):
    rows = list(published.rows(name))
    known = [] if "gate" in name else fixture(name)
    parity.check(rows, known, ("clip", "frame0", "frame1"))
