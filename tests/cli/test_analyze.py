"""`daflow analyze` on tiny networks: every row is there, and the known ones have known values."""

import dataclasses
import importlib.util
import json

import numpy as np
import pytest

from daflow_jax import models
from daflow_jax.evaluate.probing import probe, report
from daflow_jax.io import flow as flow_files
from daflow_jax.io import image
from daflow_jax.models.dit4sr import taps
from tests import tiny

MOTION = 24.0  # pixels to the left, in all pairs


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Returns a folder of two pairs of frames that move to the left."""
    root = tmp_path_factory.mktemp("analyze") / "pairs"
    for name in "ab":
        folder = root / "alpha" / name
        frames = tiny.frames(25, height=128, width=160, seed=ord(name))
        for index, frame in enumerate((frames[0], frames[24]), 1):
            image.write_image(folder / f"frame{index}.png", frame)
        flow = np.zeros((128, 160, 2), np.float32)
        flow[..., 0] = -MOTION
        flow_files.write_flow(folder / "flow.flo", flow)
        (folder / "meta.json").write_text('{"schema": 1, "dataset": "alpha"}')
    return root


def _config():
    """Returns a restorer of two blocks, the first of which is tapped."""
    config = tiny.daflow_config().backbone
    return dataclasses.replace(config, dit=dataclasses.replace(config.dit, depth=2, taps=(0,)))


@pytest.mark.slow
def test_a_model_is_compared_with_zero_flow_raw_patches_and_itself_untrained(
    daflow, pairs, tmp_path, monkeypatch
):
    monkeypatch.setattr(probe, "LEAST", 2)
    model = tiny.save_restorer(tmp_path / "model", _config())
    code, out, err = daflow(
        "analyze", pairs, "--model", model, "--blocks", "all", "--json", "--quiet"
    )
    assert code == 0, err
    results = json.loads(out)
    assert results == json.loads((tmp_path / "daflow_analyze/results.json").read_text())
    (clean,) = results["degradation"]
    known = {
        name: {k: x for k, x in found.items() if k != "intervals"}
        for name, found in clean["references"].items()
    }
    windows = {known.pop(f"averaged windows, {side} px")["pck"] for side in (20, 40)}
    assert len(windows) == 2
    assert known == {
        "zero flow": {"epe": pytest.approx(MOTION), "pck": 0, "moving": 0},
        "raw patches": {"epe": pytest.approx(0, abs=0.2), "pck": 1, "moving": 1},
    }
    assert clean["references"]["raw patches"]["intervals"]["moving"] == [1, 1]
    names = ("network", "steps", "block", "kind", "form")
    rows = {tuple(row[name] for name in names) for row in clean["rows"]}
    assert rows == {
        (network, 1, block, kind, form)
        for network in ("trained", "random", "shuffled")
        for block in (0, 1)
        for kind in taps.KINDS
        for form in report.FORMS
    }
    assert clean["restoration"]["psnr"] < clean["restoration"]["psnr_lq"] == 60.0
    table = (tmp_path / "daflow_analyze/table.md").read_text()
    assert "| tiny-restorer, random, 1 step, block 1, hidden |" in table
    assert "| 24.00 / 0.0 / 0.0 |" in table
    assert image.read_image(tmp_path / "daflow_analyze/heat_map.png").std() > 0


@pytest.mark.slow
def test_any_network_lends_taps_by_name_and_several_share_a_table(daflow, pairs, tmp_path):
    raft = tiny.save(tmp_path / "raft")
    rrdb = tiny.save_restorer(tmp_path / "rrdb", models.preset("rrdb-nano"))
    words = ["--model", raft, "--model", rrdb, "--controls", "none", "--no-plot", "--json"]
    words += ["--quiet", "--out", tmp_path / "out", "--cache", tmp_path / "cache"]
    code, out, err = daflow("analyze", pairs, *words)
    assert code == 0, err
    results = json.loads(out)
    assert len(list((tmp_path / "cache").glob("*/*.npz"))) == 4
    code, out, err = daflow("analyze", pairs, *words)
    assert code == 0 and json.loads(out)["degradation"] == results["degradation"], "from the cache"
    code, _, err = daflow("analyze", "--generated", "1", "--no-plot", *words)
    assert code == 2 and "holds the features of another clip" in err and err.count("\n") == 1
    assert results["token"] == 8 and [m["name"] for m in results["models"]] == [
        "tiny", "tiny-restorer",
    ]  # fmt: skip
    rows = {(row["model"], row["block"], row["form"]) for row in results["degradation"][0]["rows"]}
    assert rows == {
        (*tap, form)
        for tap in (("tiny", "fnet"), ("tiny-restorer", 0), ("tiny-restorer", 1))
        for form in report.FORMS[:2]
    }
    code, _, err = daflow("analyze", pairs, "--model", raft, "--blocks", "fnett")
    assert code == 2 and "Did you mean fnet" in err
    code, _, err = daflow("analyze", pairs, "--model", raft, "--exchange")
    assert code == 2 and "Name a DA-Flow model" in err


def test_bad_requests_name_the_rule(daflow, pairs, tmp_path, monkeypatch):
    restorer = tiny.save_restorer(tmp_path / "restorer", _config())
    for words, said in (
        (("--generated", "2", pairs), "one of them"),
        (("--generated", "2", "--blocks", "9"), "block 9 does not exist. Use 0 to 1"),
        (("--generated", "2", "--token", "24"), "--token: 24 px do not fit features"),
        (("--generated", "2", "--controls", "shufled"), "Did you mean shuffled"),
        (("--generated", "2", "--steps", "1", "--model", "nowhere"), "nowhere: is neither"),
        (("--generated", "2", "--steps", "one"), "--steps: 'one' is not a list of numbers"),
        (("--generated", "2", "--exchange"), "is a restorer, which gives no flow"),
    ):
        code, _, err = daflow("analyze", "--model", restorer, *words)
        assert code == 2 and said in err
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code, _, err = daflow("analyze", "--model", restorer, "--generated", "2")
    assert code == 3 and "Install daflow-jax[plots] or pass --no-plot" in err
