"""daflow convert flow, as a person calls it."""

import json

import numpy as np
import pytest

from daflow_jax import cli
from daflow_jax.io import read_flow, write_flow, write_image


def flow(height=4, width=5):
    return np.random.default_rng(0).integers(-99, 99, (height, width, 2)).astype(np.float32)


def test_one_file_with_scale_and_mask(tmp_path, capsys):
    write_flow(tmp_path / "a.flo", flow())
    mask = np.full((4, 5), 255, np.uint8)
    mask[0] = 0
    write_image(tmp_path / "mask.png", mask)
    command = [
        "convert",
        "flow",
        str(tmp_path / "a.flo"),
        str(tmp_path / "b.png"),
        "--scale",
        "0.5",
    ]
    assert cli.main([*command, "--valid-from", str(tmp_path / "mask.png"), "--json"]) == 0
    got, valid = read_flow(tmp_path / "b.png")
    np.testing.assert_array_equal(got[1:], flow()[1:] / 2)
    np.testing.assert_array_equal(valid, mask > 0)
    (record,) = json.loads(capsys.readouterr().out)["converted"]
    assert (record["size"], record["valid"], record["clipped"]) == ([5, 4], 15, 0)


def test_zero_flow_can_mean_invalid_and_clipped_pixels_are_told(tmp_path, capsys):
    field = flow()
    field[0, 0], field[1, 1] = 0, (700, 0)
    write_flow(tmp_path / "a.npy", field)
    files = [str(tmp_path / "a.npy"), str(tmp_path / "b.png")]
    assert cli.main(["convert", "flow", *files, "--valid-from", "zero"]) == 0
    assert not read_flow(tmp_path / "b.png")[1][[0, 1], [0, 1]].any()
    assert "1 pixels beyond +-512 px became invalid in .png" in capsys.readouterr().err


def test_folder_keeps_its_tree_and_reports_failures(tmp_path, capsys):
    write_flow(tmp_path / "in/x/a.flo", flow())
    (tmp_path / "in/broken.flo").write_bytes(b"broken")
    command = ["convert", "flow", str(tmp_path / "in"), str(tmp_path / "out")]
    assert cli.main([*command, "--to", "pfm"]) == 5
    said = capsys.readouterr()
    assert said.out.strip() == str(tmp_path / "out/x/a.pfm")
    assert "broken.flo: starts with b'brok'" in said.err
    np.testing.assert_array_equal(read_flow(tmp_path / "out/x/a.pfm")[0], flow())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in", "out"], "is a folder; its results need a format. Add --to flo."),
        (["in", "out", "--to", "fol"], "--to .fol: is not a flow format. Did you mean .flo"),
        (["empty", "out", "--to", "flo"], "empty: holds no flow file. Known extensions: .flo"),
        (["in/a.flo", "in/a.flo"], "a.flo: is an input; the result would overwrite it."),
        (["no.flo", "b.flo"], "no.flo: not found."),
        (["in/a.flo", "b.xyz"], ".xyz is not a flow format"),
        (["in/a.flo", "b.flo", "--valid-from", "mask.png"], "mask.png: 2x2 but the flow is 5x4"),
        (["twice", "out", "--to", "npy"], "a.npy: two files would be written here"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_flow("in/a.flo", flow())
    write_flow("twice/a.flo", flow())
    write_flow("twice/a.pfm", flow())
    write_image("mask.png", np.ones((2, 2), np.uint8))
    (tmp_path / "empty").mkdir()
    assert cli.main(["convert", "flow", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("daflow: error: ") and message in said and said.count("\n") == 1
