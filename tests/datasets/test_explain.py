"""A flow explains two frames of a moving picture; no other reading of it does."""

import cv2
import numpy as np
import pytest

from daflow_jax.datasets.checks import explain

HEIGHT, WIDTH = 90, 130


@pytest.fixture(scope="module")
def scene():
    """Returns two frames of a smooth picture and their true flow, which varies over the frame."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(HEIGHT, WIDTH, 3)).astype(np.float32)
    second = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    flow = np.stack([4 + y / 20, -2 - x / 40], -1)
    first = cv2.remap(second, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    return first.astype(np.uint8), second.astype(np.uint8), flow


def fit(scene, flow, **masks):
    valid = masks.get("valid", np.ones((HEIGHT, WIDTH), bool))
    return explain.explain(*scene[:2], flow.astype(np.float32), valid, masks.get("occluded"))


def test_the_true_flow_explains_the_frames(scene):
    found = fit(scene, scene[2])
    assert found.ratio < 0.1 and found.problem == "" and found.reading == ""
    assert found.speed == pytest.approx(np.linalg.norm(scene[2], axis=-1).mean(), rel=0.01)
    sixteen = [frame.astype(np.uint16) * 257 for frame in scene[:2]]
    valid = np.ones((HEIGHT, WIDTH), bool)
    assert explain.explain(*sixteen, scene[2], valid).ratio == pytest.approx(found.ratio, rel=0.01)


@pytest.mark.parametrize(
    ("reading", "spoil"),
    {
        "the opposite direction": lambda f: -f,
        "x and y exchanged": lambda f: f[..., ::-1],
        "x negated": lambda f: f * [-1, 1],
        "y negated": lambda f: f * [1, -1],
        "half the numbers": lambda f: f * 2,
        "twice the numbers": lambda f: f / 2,
        "8 times the numbers": lambda f: f / 8,
        "20 times the numbers": lambda f: f / 20,
        "shares of the frame's size": lambda f: f / [WIDTH, HEIGHT],
        "shares of half the frame's size": lambda f: f / [WIDTH / 2, HEIGHT / 2],
        "rows in reverse order": lambda f: f[::-1] * [1.0, 1.0],
    }.items(),
)
def test_every_mistake_is_named(scene, reading, spoil):
    found = fit(scene, spoil(scene[2]))
    assert found.reading == reading and f"{reading} would" in found.problem


def test_a_flow_of_zeros_is_suspect_only_where_something_moved(scene):
    still = fit(scene, np.zeros_like(scene[2]))
    assert "is zero everywhere" in still.problem and still.zero > 2
    valid = np.ones((HEIGHT, WIDTH), bool)
    zero = np.zeros_like(scene[2])
    assert explain.explain(scene[0], scene[0], zero, valid).problem == ""


def test_unknown_and_occluded_pixels_do_not_count(scene):
    flow, wrong = scene[2].copy(), np.zeros((HEIGHT, WIDTH), bool)
    wrong[:, : WIDTH // 2] = True
    flow[wrong] *= -1
    assert fit(scene, flow).ratio > 0.5
    assert fit(scene, flow, valid=~wrong).ratio < 0.1
    assert fit(scene, flow, occluded=wrong).ratio < 0.1
    assert fit(scene, flow, valid=np.zeros_like(wrong)).ratio is None
