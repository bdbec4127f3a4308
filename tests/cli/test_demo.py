"""`daflow demo` with a random model: the plumbing, not the accuracy."""

import json

import numpy as np

from daflow_jax.cli import demo
from daflow_jax.io import flow as flow_files
from daflow_jax.io import image


def test_demo_prints_errors_and_leaves_everything_to_look_at(daflow, model, tmp_path):
    code, out, _ = daflow("demo", "--model", model, "--size", "100x120", "--seed", 3)
    assert code == 0 and "100x120, degraded by combined:3" in out
    summary = json.loads((tmp_path / "daflow_demo/summary.json").read_text())
    assert list(summary["epe"]) == ["tiny", "dis", "zero"]
    for name, epe in summary["epe"].items():
        assert f"{name:<16} {epe:7.3f}" in out
    names = {path.name for path in (tmp_path / "daflow_demo").iterdir()}
    assert {"clean1.png", "frame1.png", "frame2.png", "truth.flo", "dis_wheel.png"} <= names
    truth, valid = flow_files.read_flow(tmp_path / "daflow_demo/truth.flo")
    assert truth.shape == (100, 120, 2) and valid.any()
    sheet = image.read_image(tmp_path / "daflow_demo/demo.png")
    assert sheet.shape[0] == 3 * 100 + 2 * 2 and sheet.shape[1] == 4 * 120 + 3 * 2


def test_demo_without_a_valid_pixel_shows_a_dash(daflow, model, monkeypatch, tmp_path):
    clip = demo._clip

    def blind(args):
        clean, flow, valid, occluded = clip(args)
        return clean, flow, np.zeros_like(valid), occluded

    monkeypatch.setattr(demo, "_clip", blind)
    code, out, _ = daflow("demo", "--model", model, "--size", "100x120", "--quiet")
    assert code == 0 and "  zero                   -   (" in out
    assert json.loads((tmp_path / "daflow_demo/summary.json").read_text())["epe"]["zero"] is None


def test_demo_repeats_for_a_seed(daflow, model):
    words = ("demo", "--model", model, "--size", "100x120", "--json", "--quiet")
    first, second = (json.loads(daflow(*words)[1]) for _ in range(2))
    assert first["epe"] == second["epe"]
