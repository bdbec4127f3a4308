"""The classical methods find a known motion; their parameters are OpenCV's documented ones."""

import cv2
import numpy as np
import pytest

from daflow_jax.errors import UserError
from daflow_jax.evaluate import baselines


def shifted(height: int = 96, width: int = 128) -> np.ndarray:
    noise = np.random.default_rng(0).random((height + 8, width + 8, 3)).astype(np.float32)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    texture = texture.astype(np.uint8)
    return np.stack([texture[4:-4, 4:-4], texture[3:-5, 2:-6]])  # 2 right, 1 down


@pytest.mark.parametrize("name", ["dis", "farneback"])
def test_methods_find_a_shift(name):
    flow = baselines.get(name)(shifted())
    assert flow.shape == (96, 128, 2) and flow.dtype == np.float32
    np.testing.assert_allclose(np.median(flow, (0, 1)), (2, 1), atol=0.1)


@pytest.mark.parametrize("name", baselines.BASELINES)
def test_methods_take_tiny_frames(name):
    assert baselines.get(name)(shifted(17, 19)).shape == (17, 19, 2)


def test_zero_is_zero_and_unknown_names_the_nearest():
    assert not baselines.zero(shifted()).any()
    with pytest.raises(UserError, match="baseline farnback: is unknown. Did you mean farneback?"):
        baselines.get("farnback")
    with pytest.raises(ValueError, match=r"frames are float64 \(2, 96, 128, 3\); a baseline takes"):
        baselines.dis(shifted() / 255)
