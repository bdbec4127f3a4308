"""The study of JFFRA's claim: its clips, its tables, and (slow) one run of it."""

import json

import numpy as np
import pytest

from daflow_jax import errors
from studies import joint_refinement, joint_refinement_measure, joint_refinement_report
from studies import joint_refinement_config as arms


def run(arm, seed, **values):
    return {"arm": arm, "seed": seed, "steps": 2, "cpu_seconds": 1.0, **values}


def write(out, *runs):
    for found in runs:
        folder = out / f"{found['arm']}-{found['seed']}"
        folder.mkdir(parents=True)
        (folder / "measured.json").write_text(json.dumps(found))


def test_area_under_the_curve():
    scores = np.array([0.1, 0.4, 0.35, 0.8])
    positive = np.array([False, False, True, True])
    assert joint_refinement_measure.auc(scores, positive) == 0.75
    assert joint_refinement_measure.auc(np.zeros(4), positive) == 0.5


def test_the_page_says_whether_the_claim_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(joint_refinement_report, "_mask_auc", lambda: 0.9)
    levels = dict(epe_start=1.4, epe_4=1.2, epe_2=1.1, epe_1=1.1)
    write(
        tmp_path,
        *(run("none", seed, psnr=23.2 + seed, **levels) for seed in (0, 1)),
        *(run("fixed", seed, psnr=23.5 + seed, **levels) for seed in (0, 1)),
        *(run("refined", seed, psnr=23.7 + seed, **levels) for seed in (0, 1)),
        *(run("true", seed, psnr=(23.0, 25.0)[seed], **levels) for seed in (0, 1)),
        run("still", 0, psnr=23.7, opw=2.0),
        run("temporal", 0, psnr=23.6, opw=1.8),
    )
    joint_refinement_report.write(tmp_path, tmp_path / "docs.md")
    record = json.loads((tmp_path / "page.json").read_text())
    checks = record["checks"]
    assert checks["refined above fixed by 0.1 dB"]["holds"]  # in both seeds, which lie 1 dB apart
    assert not checks["true above none by 0 dB"]["holds"]  # +0.3 dB, but below at one seed
    assert checks["refined: flow error falls from start to 1/4 to 1/2"]["holds"]
    assert checks["the temporal loss lowers flicker"]["changes"] == pytest.approx([-0.1])
    page = (tmp_path / "docs.md").read_text()
    assert "| refined: flow refined by the restoration alone | 24.20 +- 0.50" in page


def test_every_arm_is_a_configuration():
    for arm in arms.ARMS | arms.TEMPORAL_ARMS:
        config = arms.get_config(arm)
        assert ("start" in config.data["keys"]) == (config.task["start"] == "given")
    assert arms.get_config("none").model.block.alignment == "none"


def test_a_folder_without_runs_and_an_unknown_arm_are_refused(tmp_path, capsys):
    with pytest.raises(errors.UserError, match="no measured run"):
        joint_refinement_report.read(tmp_path)
    with pytest.raises(SystemExit):
        joint_refinement.main([str(tmp_path), "--arms", "fixd"])
    assert "unknown arm fixd" in capsys.readouterr().err


@pytest.mark.slow
def test_one_arm_is_trained_measured_and_not_repeated(tmp_path, capsys):
    words = [str(tmp_path), "--steps", "2", "--clips", "2", "--seeds", "0", "--arms", "fixed"]
    assert joint_refinement.main(words) == 0
    capsys.readouterr()
    assert joint_refinement.main(words) == 0
    assert "training" not in capsys.readouterr().out
    assert (tmp_path / "page.md").read_text().count("fixed: start flow") == 1
