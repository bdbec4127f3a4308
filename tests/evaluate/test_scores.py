"""Averages of errors over pairs and data sets."""

import numpy as np
import pytest

from daflow_jax.evaluate import scores


def row(dataset, clip, epe):
    return {"dataset": dataset, "clip": clip, "epe": epe}


def test_medians_over_pairs_forget_one_bad_pair():
    rows = [{"epe": epe, "epe_visible": None} for epe in (1.0, 2.0, 90.0)]
    assert scores.over_pairs(rows, "epe") == {"mean": 31, "median": 2}
    assert scores.over_pairs(rows, "epe_visible") is None


def test_paired_differences_are_surer_than_either_method():
    hard = np.random.default_rng(0).exponential(10, size=30)
    rows = [row("a", f"c{n}", epe) for n, epe in enumerate(hard)]
    worse = [{**r, "epe": r["epe"] + 0.5 + 0.1 * (n % 2)} for n, r in enumerate(rows)]
    toy = row("tiny", "t", 0.0)
    found = scores.difference(
        [*worse, {**toy, "epe": 99.0}], [*rows, toy], seed=0, exclude={"tiny"}
    )
    low, high = found["interval"]
    assert found["mean"] == pytest.approx(0.55) and 0.5 < low < 0.55 < high < 0.6


def test_doubted_and_occluded_pixels_count_everywhere_but_in_their_own_averages():
    truth = np.zeros((100, 120, 2), np.float32)
    truth[..., 0] = 2.0
    valid = np.ones((100, 120), bool)
    occluded, doubted = np.zeros((2, 100, 120), bool)
    occluded[:20], doubted[:, :30] = True, True
    sums = scores.pair_sums(np.where(doubted[..., None], 0, truth), truth, valid, occluded, doubted)
    assert sums["epe"] == (2 * 3000, 12000)
    assert sums["epe_visible"] == (2 * 2400, 9600) and sums["epe_reliable"] == (0, 80 * 90)
