"""Frames in every accepted form, and the borders around them."""

import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, predict
from daflow_jax.predict import frames as inputs


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((436, 1024), (2, 2, 0, 0)),  # RAFT's own numbers for Sintel
        ((375, 1242), (0, 1, 3, 3)),
        ((128, 128), (0, 0, 0, 0)),
        ((16, 127), (56, 56, 0, 1)),
    ],
)
def test_fit_pads_evenly_to_multiple_and_minimum(size, expected):
    assert predict.fit(size, 8, 128) == expected


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_pad_repeats_the_border_and_crop_undoes_it(kind):
    frames = np.arange(2 * 3 * 5 * 1.0, dtype=np.float32).reshape(2, 3, 5, 1)
    around = predict.Padding(1, 2, 3, 0)
    padded = predict.pad(kind(frames), around)
    assert padded.shape == (2, 6, 8, 1) and isinstance(padded, type(kind(frames)))
    np.testing.assert_array_equal(padded[:, 0, :3], np.repeat(frames[:, :1, 0], 3, axis=1))
    np.testing.assert_array_equal(predict.crop(padded, around), frames)
    doubled = np.repeat(np.repeat(padded, 2, 1), 2, 2)
    assert predict.crop(doubled, around, 2).shape == (2, 6, 10, 1)


def test_as_frames_reads_every_kind_alike():
    byte = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    expected = byte / np.float32(255)
    np.testing.assert_array_equal(predict.as_frames(byte), expected)
    np.testing.assert_allclose(predict.as_frames(byte.astype(np.uint16) * 257), expected, atol=1e-7)
    np.testing.assert_array_equal(predict.as_frames(expected), expected)
    alpha = np.concatenate([byte, byte[..., :1]], axis=-1)
    np.testing.assert_array_equal(predict.as_frames(alpha), expected)
    grey = predict.as_frames(byte[..., :1])
    np.testing.assert_array_equal(grey, np.repeat(expected[..., :1], 3, axis=-1))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.full((4, 4, 3), 255.0), "from 255 to 255 are outside 0..1. Divide by 255"),
        (np.full((4, 4, 3), np.nan), "NaN or infinity in the pixels"),
        (np.zeros((4, 4, 3), np.int32), "dtype int32 is not uint8"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\) is not"),
        (np.zeros((1, 4, 3), np.uint8), "1x4 is under 2x2 pixels"),
    ],
)
def test_frames_that_would_have_to_be_guessed_are_refused(frames, message):
    with pytest.raises(errors.UserError, match=message):
        predict.as_frames(frames)
    with pytest.raises(errors.UserError, match=message.replace("(4, ", "(2, 4, ", 1)):
        inputs.as_clip(np.stack([frames, frames]))
    with pytest.raises(errors.UserError, match=message):
        inputs.as_clip([frames, frames])


def test_a_clip_is_checked_and_taken_apart_without_a_copy():
    clip = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    assert np.shares_memory(inputs.as_clip(clip), clip)
    part = slice(1, 4)
    np.testing.assert_array_equal(inputs.take(clip, part), clip[part] / np.float32(255))
    mixed = [clip[0], clip[1] / np.float32(255), clip[2, ..., 0]]
    taken = inputs.take(inputs.as_clip(mixed), slice(0, 3))
    np.testing.assert_array_equal(taken[:2], clip[:2] / np.float32(255))
    assert taken.shape == (3, 4, 6, 3)
