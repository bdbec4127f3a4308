"""Pictures of flow against the published colour wheel."""

import numpy as np
import pytest

from daflow_jax import viz

GOLDEN = [np.load(f"tests/golden/io/io_{name}.npz") for name in "ab"]


@pytest.mark.parametrize("golden", GOLDEN)
def test_wheel_equals_the_published_one(golden):
    np.testing.assert_array_equal(viz.colour_wheel(), golden["colorwheel"])
    got = viz.flow_to_rgb(golden["wheel_flow"])
    assert np.abs(got.astype(int) - golden["wheel_rgb"]).max() <= 1
    np.testing.assert_array_equal(got[0, :, ::-1] // 2, golden["wheel_bgr_first_row"] // 2)


@pytest.mark.parametrize("golden", GOLDEN)
def test_faster_than_the_scale_is_darkened(golden):
    got = viz.flow_to_rgb(golden["wheel_flow"], 1.0)
    error = np.abs(got.astype(int) - golden["wheel_uv_rgb_unnormalised"])
    assert (
        error.max() <= 1 or np.mean(error > 1) < 0.01
    )  # the border of the disc may fall either way


def test_directions_have_their_hues_and_invalid_is_black():
    flow = np.zeros((1, 4, 2), np.float32)
    flow[0, :3] = [(1, 0), (-1, 0), (np.nan, 0)]
    right, left, unknown, still = viz.flow_to_rgb(flow, 1.0)[0].tolist()
    assert right[0] > 250 and right[1] < 5  # red
    assert left[2] > 200 and left[0] < 5  # blue-green
    assert unknown == [0, 0, 0] and still == [255, 255, 255]
    assert viz.flow_to_rgb(flow, 1.0, np.zeros((1, 4), bool)).max() == 0


def test_error_picture_runs_from_black_to_white():
    flow = np.zeros((1, 4, 2), np.float32)
    flow[0, :, 0] = [0, 5 / 3, 5, 99]
    valid = np.array([[True, True, True, False]])
    got = viz.error_to_rgb(flow, np.zeros_like(flow), valid)[0].tolist()
    assert got == [[0, 0, 0], [255, 0, 0], [255, 255, 255], [60, 70, 90]]


def test_arrows_point_where_things_move():
    frame = np.full((40, 40, 3), 128, np.uint8)
    flow = np.zeros((40, 40, 2), np.float32)
    flow[..., 0] = 8
    drawn = viz.arrows(frame, flow, step=40)
    assert (frame == 128).all()
    changed = np.argwhere((drawn != 128).any(-1))
    assert changed[:, 1].max() >= 28 and changed[:, 1].min() >= 17
    np.testing.assert_allclose(changed[:, 0].mean(), 20, atol=0.5)


def test_strips_and_sheets_take_any_depth():
    gray, deep = np.zeros((4, 3), np.uint8), np.full((4, 5, 3), 65535, np.uint16)
    real = np.full((4, 2, 3), 0.5, np.float32)
    strip = viz.strip([gray, deep, real])
    assert strip.shape == (4, 3 + 2 + 5 + 2 + 2, 3) and strip.dtype == np.uint8
    assert strip[0, 0, 0] == 0 and strip[0, 6, 0] == 255 and strip[0, -1, 0] == 128
    assert viz.sheet([[gray, deep], [real]]).shape == (10, 10, 3)
    assert viz.overlay(deep, np.zeros((4, 5, 2), np.float32)).shape == (4, 15, 3)
    with pytest.raises(ValueError, match=r"heights \[4, 5\]; a strip has one; resize them"):
        viz.strip([gray, gray[:1].repeat(5, 0)])
