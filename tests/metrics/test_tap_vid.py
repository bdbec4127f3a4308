"""TAP-Vid's scores of tracks whose scores are known by hand."""

import numpy as np
import pytest

from daflow_jax.metrics import tap_vid

TRUE = np.zeros((2, 4, 2), np.float32) + np.float32([10, 20])
SEEN = np.array([[True, True, True, True], [True, True, False, True]])
QUERY = np.array([0, 0])


def scores(shift=0.0, visible=SEEN, mode="first", query=QUERY):
    moved = TRUE + np.float32([shift, 0])
    return tap_vid.scores(moved, visible, TRUE, SEEN, query, (128, 64), mode)


def test_true_tracks_score_one():
    assert scores()[:3] == (1, 1, 1)


def test_distances_are_pixels_of_256():
    found = scores(shift=1.5)  # 6 pixels of 256, as frames are 64 wide
    assert found.near == (0, 0, 0, 1, 1) and found.within == pytest.approx(0.4)
    # far points that are called visible are missed and false: 5 of 5 missed, 5 false
    assert found.jaccard == (0, 0, 0, 1, 1)


def test_points_called_visible_while_hidden_are_false():
    found = scores(visible=np.ones_like(SEEN))
    assert found.occlusion_accuracy == pytest.approx(5 / 6)
    assert found.average_jaccard == pytest.approx(5 / 6) and found.within == 1


def test_the_query_does_not_count_nor_what_was_before():
    query = np.array([3, 1])
    assert scores(query=query).occlusion_accuracy == 1
    wrong = ~SEEN
    assert scores(visible=wrong, query=query).occlusion_accuracy == 0
    assert np.isnan(scores(query=np.array([3, 3])).within)
    assert scores(query=np.array([3, 3]), mode="strided").within == 1
    with pytest.raises(ValueError, match="mode is 'all'"):
        scores(mode="all")
