"""Inputs are never overwritten, whatever they are called."""

import os

import numpy as np
import pytest

from daflow_jax import outputs
from daflow_jax.errors import UserError
from daflow_jax.io import atomic, image, protected

PICTURE = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def frame(tmp_path):
    image.write_image(tmp_path / "clip/a.png", PICTURE)
    return tmp_path / "clip/a.png"


def _spellings(frame, tmp_path):
    os.symlink(frame, tmp_path / "link.png")
    os.link(frame, tmp_path / "hard.png")
    os.symlink(frame.parent, tmp_path / "other")
    yield from (frame, frame.parent / ".." / "clip" / "a.png", tmp_path / "link.png")
    yield from (tmp_path / "hard.png", tmp_path / "other" / "a.png")
    yield frame.parent / "new" / ".." / "a.png"  # a writer makes the folder on its way


def test_every_name_of_an_input_is_refused_before_and_at_writing(frame, tmp_path):
    before = frame.read_bytes()
    for path in _spellings(frame, tmp_path):
        with pytest.raises(UserError, match="is an input"):
            outputs.check([path], [frame], "replace")
        with protected.protecting([frame]), pytest.raises(UserError, match="is an input"):
            atomic.write_bytes(path, b"new")
    assert frame.read_bytes() == before
    atomic.write_bytes(frame, b"new")  # the block is over
    assert frame.read_bytes() == b"new"


def test_pictures_among_the_frames_and_existing_results_are_refused(frame, tmp_path):
    with pytest.raises(UserError, match="among the input frames"):
        outputs.check([frame.with_name("a_wheel.png")], [frame])
    outputs.check([frame.with_name("a.flo"), tmp_path / "o/a.png"], [frame])
    frame.with_name("a.flo").touch()
    with pytest.raises(UserError, match="exists"):
        outputs.check([frame.with_name("a.flo")], [frame])
    outputs.check([frame.with_name("a.flo")], [frame], "keep")
