"""The table of the study of features learned from motion."""

import pytest

from studies import motion_features


def test_rows_have_means_and_deviations_over_seeds():
    rows = {"true": {"miou": [0.1, 0.3], "rank": [5.0, 7.0]}, "none": {"miou": [0.2]}}
    lines = motion_features.table(rows, motion_features.SYSTEMS["flowe"]).splitlines()
    assert lines[0] == "| arm | seeds | miou | rank |"
    assert lines[2] == "| true flow | 2 | 20.0 ± 14.1 | 6.0 ± 1.4 |"
    assert lines[3] == "| no flow (the same cell) | 1 | 20.0 |  |"


def test_unknown_arms_and_an_empty_folder_are_one_line(tmp_path, capsys):
    for words, text in (
        (["train", str(tmp_path), "flowe", "--arms", "tru"], "Did you mean true"),
        (["report", str(tmp_path), "flowe"], "holds no readout. Run `read` first"),
    ):
        assert motion_features.main(words) == 2
        err = capsys.readouterr().err
        assert text in err and err.count("\n") == 1


def test_a_system_must_be_known(tmp_path):
    with pytest.raises(SystemExit):
        motion_features.main(["train", str(tmp_path), "flow"])
