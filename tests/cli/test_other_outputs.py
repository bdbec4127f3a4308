"""Commands that write besides flow and frames: models, demos, plans; and how sources are read."""

import shutil

import numpy as np
import pytest

from daflow_jax import cli
from daflow_jax.io import image, video
from tests import tiny
from tests.io.test_video_interlace import clip as interlaced
from tests.io.videos import make


def test_a_model_is_not_exported_over_itself(daflow, model, tmp_path):
    shutil.copytree(model, tmp_path / "m")
    before = {path: path.read_bytes() for path in (tmp_path / "m").iterdir()}
    words = ("--format", "folder", "--dtype", "bfloat16", "--overwrite", "--quiet")
    code, _, err = daflow("export", "--model", "m", "--out", "m", *words)
    assert code == 2 and "m: is the model that is read" in err
    assert {path: path.read_bytes() for path in (tmp_path / "m").iterdir()} == before


def test_weights_are_not_converted_over_themselves(daflow, model, tmp_path, monkeypatch):
    from daflow_jax.io import atomic
    from daflow_jax.pretrained import published

    shutil.copytree(model, tmp_path / "m")
    job = type("Job", (), {"arch": "raft", "coverage": lambda self: "all"})()
    monkeypatch.setattr(published, "prepare", lambda request: job)
    written = tmp_path / "m/model.safetensors"
    monkeypatch.setattr(
        published, "convert", lambda *args, **more: atomic.write_bytes(written, b"new")
    )
    code, _, err = daflow("convert", "weights", written, tmp_path / "m", "--overwrite", "--quiet")
    assert code == 2 and "model.safetensors: is an input" in err
    assert written.read_bytes() != b"new"


def test_a_demo_leaves_other_people_s_frames(daflow, model, tmp_path):
    image.write_image(tmp_path / "clip/frame1.png", np.zeros((8, 8, 3), np.uint8))
    code, _, err = daflow("demo", "--model", model, "--out", "clip", "--size", "100x120")
    assert code == 2 and "clip/frame1.png: exists, and no demo wrote it" in err


def test_flows_are_not_converted_over_themselves(daflow, tmp_path):
    from daflow_jax.io import flow as flow_files

    flow_files.write_flow(tmp_path / "in/a.flo", np.zeros((8, 8, 2), np.float32))
    for words in (("in/a.flo", "in/a.flo"), ("in", "in", "--to", "flo")):
        code, _, err = daflow("convert", "flow", *words, "--overwrite", "--scale", "2")
        assert code == 2 and "in/a.flo: is an input" in err


def test_every_json_is_a_flag_and_every_device_reads_its_variable(monkeypatch):
    monkeypatch.setenv("DAFLOW_DEVICE", "cuda:3")
    words = ["plan", "--config", "c.py", "--topology", "cpu:2", "--json", "--out", "p.json"]
    args = cli._parser(words).parse_args(words)
    assert (args.json, args.out) == (True, "p.json")
    words = ["analyze", "pairs", "--model", "m"]
    assert cli._parser(words).parse_args(words).device == "cuda:3"


def test_interlaced_video_is_said_or_filled(daflow, model, tmp_path):
    combed = [np.repeat(plane[..., None], 3, -1) for plane in interlaced("tff")]
    make(tmp_path / "v.mkv", combed, "ffv1", "yuv444p")
    words = ("flow", "v.mkv", "--model", model, "--formats", "overlay", "--wheel-max", "9")
    code, _, err = daflow(*words, "--out", "a")
    assert code == 0 and "v.mkv: looks interlaced" in err and "--deinterlace" in err
    code, _, err = daflow(*words, "--out", "b", "--deinterlace")
    assert code == 0 and "interlaced" not in err
    shown = [next(iter(video.frames(tmp_path / f"{o}/v_overlay.mp4")))[:, :128] for o in "ab"]
    comb = [np.abs(np.diff(one.astype(float), axis=0)).mean() for one in shown]
    assert comb[1] < 0.7 * comb[0]


@pytest.mark.parametrize("verb", ["flow", "restore", "degrade", "eval", "data label", "data check"])
def test_every_reader_takes_the_stored_orientation(verb):
    words = [*verb.split(), "in", "--stored-orientation"]
    words += ["--model", "m"] if verb == "restore" else []
    assert cli._parser(words).parse_args(words).stored_orientation


def test_stdin_can_have_an_overlay_of_known_scale(daflow, model, tmp_path, monkeypatch):
    import io
    from types import SimpleNamespace

    data = tiny.frames(3, 64, 64).tobytes()
    words = ("flow", "-", "--size", "64x64", "--model", model, "--formats", "overlay")
    assert "pass --wheel-max" in daflow(*words)[2].lower()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert daflow(*words, "--wheel-max", "9")[0] == 0
    assert video.info(tmp_path / "daflow_out/stdin_overlay.mp4").frames == 2
