"""Frames that are further apart than one."""

import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.input_pipeline import clips, settings


class Numbered:
    """A clip whose frame k has the value k."""

    name, known = "numbered", (False,) * 9

    def __len__(self):
        return 10

    def read(self, start, count, backward=False):
        values = np.arange(start, start + count, dtype=np.uint8)
        return {"hq": np.broadcast_to(values[:, None, None, None], (count, 4, 4, 3))}


def test_windows_are_as_far_apart_as_asked_and_know_no_flow():
    stream = clips.ClipStream([Numbered()], 3, gap=(2, 4), backward=True)
    found = []
    for number in range(40):
        window = stream[number]
        values = np.rint(255 * window["hq"][:, 0, 0, 0]).astype(int)
        step = set(np.diff(values).tolist())
        assert len(step) == 1 and not window["valid"].any() and not window["valid_back"].any()
        found += step
        np.testing.assert_array_equal(window["hq"], stream[number]["hq"])
    assert set(found) == {2, 3, 4}


def test_too_few_frames_for_the_gap_are_refused():
    stream = clips.ClipStream([Numbered()], 2, gap=(15, 30))
    with pytest.raises(errors.UserError, match="numbered: 10 frames; 2 frames .* apart need"):
        stream[0]
    with pytest.raises(errors.UserError, match="data.gap: 30 is above 15"):
        settings.DataConfig(name="mixture", sources=(settings.Source("synthetic"),), gap=(30, 15))
    with pytest.raises(errors.UserError, match="data.gap: the generator does not read it"):
        settings.DataConfig(gap=(15, 30))
