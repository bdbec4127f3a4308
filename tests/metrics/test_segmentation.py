"""Scores of masks against partitions whose scores are known by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.metrics import segmentation

TRUE = jnp.asarray([[[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 0, 0], [2, 2, 0, 0]]])


def table(labels, masks=4):
    return segmentation.overlaps(jnp.asarray(labels), TRUE, masks, 4)


def test_equal_partitions_score_one_whatever_their_numbers():
    found = table((TRUE + 1) % 3)
    for score in (segmentation.foreground_iou, segmentation.adjusted_rand):
        assert float(score(found)[0]) == pytest.approx(1)
    assert float(segmentation.object_iou(found, least=4)[0]) == pytest.approx(1)
    assert float(segmentation.adjusted_rand(found, foreground=True)[0]) == pytest.approx(1)


def test_one_mask_for_all_is_chance():
    found = table(jnp.zeros_like(TRUE))
    assert float(segmentation.adjusted_rand(found)[0]) == pytest.approx(0, abs=1e-6)
    assert float(segmentation.foreground_iou(found)[0]) == pytest.approx(0.5)
    assert float(segmentation.object_iou(found, least=4)[0]) == pytest.approx(0.25)
    assert np.isnan(segmentation.object_iou(found)[0])  # no object has 16 pixels


def test_adjusted_rand_is_that_of_the_definition():
    labels = jnp.asarray([[[0, 0, 0, 1], [0, 0, 1, 1], [2, 1, 0, 0], [2, 2, 0, 0]]])
    x = np.asarray(table(labels))[0]
    pairs = lambda n: (n * (n - 1) / 2).sum()  # noqa: E731
    both, ours, theirs, every = pairs(x), pairs(x.sum(1)), pairs(x.sum(0)), 16 * 15 / 2
    want = (both - ours * theirs / every) / ((ours + theirs) / 2 - ours * theirs / every)
    assert float(segmentation.adjusted_rand(table(labels))[0]) == pytest.approx(want, abs=1e-5)


def test_the_better_of_a_mask_and_its_complement_counts():
    front = TRUE > 0
    for mask in (front, ~front):
        assert float(segmentation.two_mask_iou(mask, front)[0]) == pytest.approx(1)


def test_protocols_average_over_sequences_or_frames():
    found = {"a": [0.0, 0.0, 0.5], "b": [0.0, 0.0, 1.0, 1.0, 1.0]}
    assert segmentation.mean_of_sequences(found, first=2) == pytest.approx(0.75)
    assert segmentation.mean_of_frames(found) == pytest.approx(3.5 / 8)
