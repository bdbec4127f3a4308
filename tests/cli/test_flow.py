"""`daflow flow`, and what all commands share: help, exit codes, one-line refusals."""

import errno
import json
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from daflow_jax import cli
from daflow_jax.io import flow as flow_files
from daflow_jax.io import image, video
from tests import tiny


@pytest.fixture
def clip(tmp_path):
    """Returns a folder of three frames, 0001.png to 0003.png."""
    for index, frame in enumerate(tiny.frames(3), 1):
        image.write_image(tmp_path / "clip" / f"{index:04d}.png", frame)
    return tmp_path / "clip"


def test_a_pair_gives_flow_wheel_and_manifest(daflow, clip, model, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("daflow_jax.predict.program._shared", {})  # nothing is compiled
        code, out, err = daflow("flow", clip / "0001.png", clip / "0002.png", "--model", model)
    assert code == 0 and "daflow_out/clip/0001.flo: 1 flows" in out
    assert re.search(r"compiling for 100x120 \(batch 1\) \.\.\. \d+\.\d s\n", err)
    assert re.search(r"100x120, batch 1, about \d+ MB", err)
    flow, valid = flow_files.read_flow(tmp_path / "daflow_out/clip/0001.flo")
    frames = tiny.frames(3)
    np.testing.assert_allclose(flow, tiny.model()((frames[0], frames[1])), atol=1e-3)
    assert valid.all()
    wheel = image.read_image(tmp_path / "daflow_out/clip/0001_wheel.png")
    assert wheel.shape == (100, 120, 3)
    manifest = json.loads((tmp_path / "daflow_out/manifest.json").read_text())
    assert manifest["model"]["name"] == "tiny" and manifest["failures"] == []
    assert manifest["sequences"][0]["outputs"][0] == "daflow_out/clip/0001.flo"


def test_a_folder_gives_every_output_that_is_asked_for(daflow, clip, model, tmp_path):
    code, out, err = daflow(
        *("flow", clip, "--model", model, "--formats", "npy,png16,wheel,overlay", "--pad-last"),
        *("--bidirectional", "--occlusion", "--confidence", "--json", "--quiet", "--out", "o"),
    )
    assert (code, err) == (0, "")
    written = json.loads(out)["sequences"][0]
    assert written["pairs"] == 2
    names = sorted(path.name for path in (tmp_path / "o/clip").iterdir())
    parts = [".npy", ".png", "_back.npy", "_conf.npy", "_occ.png", "_wheel.png"]
    assert names == sorted(f"000{i}{part}" for i in (1, 2, 3) for part in parts)
    last = [flow_files.read_flow(tmp_path / f"o/clip/000{i}.npy")[0] for i in (2, 3)]
    np.testing.assert_array_equal(*last)
    assert set(np.unique(image.read_image(tmp_path / "o/clip/0001_occ.png"))) <= {0, 255}
    assert video.info(tmp_path / "o/clip_overlay.mp4").width == 3 * 120
    assert len(list(video.frames(tmp_path / "o/clip_overlay.mp4"))) == 3


def test_a_video_streams_with_warm_start_and_stride(daflow, model, tmp_path):
    frames = tiny.frames(5)
    with video.Writer(tmp_path / "v.mp4", 10, frames.shape[1:3]) as writer:
        for frame in frames:
            writer.write(frame)
    code, _, _ = daflow(
        *("flow", "v.mp4", "--model", model, "--init", "warm", "--stride", 2, "--formats", "flo")
    )
    names = sorted(path.name for path in (tmp_path / "daflow_out/v").iterdir())
    assert code == 0 and names == ["000000.flo", "000002.flo"]


def test_existing_results_are_refused_kept_or_replaced(daflow, clip, model, tmp_path):
    words = ("flow", clip, "--model", model, "--formats", "flo")
    assert daflow(*words)[0] == 0
    file = tmp_path / "daflow_out/clip/0001.flo"
    code, _, err = daflow(*words)
    assert code == 2 and err == (
        "daflow: error: daflow_out/clip/0001.flo: exists. "
        "Pass --overwrite, --skip-existing or another --out.\n"
    )
    before = file.stat().st_mtime_ns
    assert daflow(*words, "--skip-existing")[0] == 0
    assert file.stat().st_mtime_ns == before
    assert daflow(*words, "--overwrite")[0] == 0
    assert file.stat().st_mtime_ns > before


def test_one_bad_sequence_of_two_is_listed_and_exits_5(daflow, clip, model, tmp_path):
    bad = tmp_path / "clip" / "bad"
    image.write_image(bad / "a.png", tiny.frames(1)[0])
    image.write_image(bad / "b.png", tiny.frames(1)[0][:90])
    code, _, err = daflow("flow", clip, "--model", model, "--formats", "flo")
    assert code == 5 and err.count("daflow: error: ") == 1
    failures = json.loads((tmp_path / "daflow_out/manifest.json").read_text())["failures"]
    assert failures[0]["input"] == "clip/bad" and "120x90 but a.png is 120x100" in str(failures)
    assert (tmp_path / "daflow_out/clip/0001.flo").is_file()


def test_a_run_that_made_nothing_leaves_nothing(daflow, clip, model, tmp_path):
    for name, part in (("clip", "0001.png"), ("other", "0002.png")):
        image.write_image(tmp_path / name / "0001.png", tiny.frames(1)[0])
        image.write_image(tmp_path / name / "0002.png", tiny.frames(1)[0])
        (tmp_path / name / part).write_bytes(b"no picture")
    code, out, err = daflow("flow", "clip", "other", "--model", model, "--json", "--quiet")
    assert code == 5 and err.count("daflow: error: ") == 2
    written = json.loads(out)
    assert [failure["input"] for failure in written["failures"]] == ["clip", "other"]
    assert written["sequences"] == [] and not (tmp_path / "daflow_out").exists()
    code, out, _ = daflow("flow", "other", "--model", model, "--json", "--quiet")
    assert code == 2 and len(json.loads(out)["failures"]) == 1


def _truncated(folder):
    data = (folder / "0002.png").read_bytes()
    (folder / "0002.png").write_bytes(data[: len(data) // 2])


def _mixed(folder):
    image.write_image(folder / "0003.png", tiny.frames(1)[0][:90])


@pytest.mark.parametrize(
    ("spoil", "words", "code", "message"),
    [
        (_truncated, ("clip",), 2, "clip/0002.png: truncated image. Copy or download it again."),
        (_mixed, ("clip",), 2, "clip/0003.png: 120x90 but 0001.png is 120x100; frames of one"),
        (None, ("gone.png", "clip/0001.png"), 2, "gone.png: not found."),
        (None, ("clip/0001.png",), 2, "clip/0001.png: 1 image; a sequence needs 2."),
        (None, ("clip", "--model", "raft-smal"), 2, "Did you mean raft-small?"),
        (None, ("clip", "--model", "clip"), 2, "clip/config.json: not found; a model folder needs"),
        (None, ("clip", "--device", "gpu"), 3, "--device gpu: JAX sees only cpu. Install daflow-"),
        (None, ("clip", "--formats", "flow"), 2, "--formats flow: is unknown. Did you mean flo?"),
        (None, ("clip", "--wheel-max", "x"), 2, "--wheel-max x: is not a speed in pixels."),
        (
            None,
            ("clip", "--iters", "0"),
            2,
            "'0' is not a whole number from 1 up. See: daflow flow",
        ),
        (
            None,
            ("clip", "--denoise-steps", "2"),
            2,
            "denoise_steps: is not an option of tiny. Known: iters",
        ),
        (None, ("-",), 2, "-: raw RGB24 frames on stdin have no size of their own. Pass --size"),
    ],
)
def test_bad_input_is_one_line(daflow, clip, model, spoil, words, code, message):
    if spoil:
        spoil(clip)
    rest = () if "--model" in words else ("--model", model)
    got, out, err = daflow("flow", *words, *rest, "--quiet")
    assert (got, out, err.count("\n")) == (code, "", 1)
    assert err.startswith("daflow: error: ") and message in err


def test_a_full_disk_leaves_no_half_file(daflow, clip, model, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, _, err = daflow("flow", clip, "--model", model, "--quiet")
    assert code == 3 and "0001.flo: cannot be written (no space left on device)" in err
    assert [path for path in (tmp_path / "daflow_out").rglob("*") if path.is_file()] == []


def test_frames_come_in_on_stdin(clip, model, tmp_path):
    code = f"from daflow_jax import cli; raise SystemExit(cli.main({_stdin_words(model)!r}))"
    data = tiny.frames(2, 40, 50).tobytes()
    done = subprocess.run([sys.executable, "-c", code], input=data, cwd=tmp_path, check=False)
    assert done.returncode == 0
    flow, _ = flow_files.read_flow(tmp_path / "daflow_out/stdin/000000.flo")
    assert flow.shape == (40, 50, 2)


def _stdin_words(model):
    return ["flow", "-", "--size", "50x40", "--model", model, "--formats", "flo", "--quiet"]


def test_interruption_exits_130(daflow, clip, model, monkeypatch):
    from daflow_jax.cli import flow

    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(flow, "run", interrupted)
    assert daflow("flow", clip, "--model", model)[0] == 130


def test_our_own_fault_exits_1_with_a_log(daflow, clip, monkeypatch):
    from daflow_jax.cli import flow

    monkeypatch.setattr(flow, "run", lambda args: 1 // 0)
    code, _, err = daflow("flow", clip)
    assert code == 1 and "unexpected ZeroDivisionError" in err
    log = re.search(r"Details: (\S+\.log)", err).group(1)
    assert "Traceback" in open(log, encoding="utf-8").read()
    os.unlink(log)


def test_help_is_instant_and_starts_no_jax():
    code = "import sys; from daflow_jax import cli; cli.main(sys.argv[1:])"
    check = "import atexit; atexit.register(lambda: print('jax' in sys.modules))"
    begun = time.monotonic()
    words = [sys.executable, "-c", f"import sys; {check}; {code}", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout.rstrip().endswith("False"), "help must not import jax"
    assert all(verb in done.stdout for verb in cli.COMMANDS)
    assert time.monotonic() - begun < 1


NESTED = ("convert flow", "convert weights", "data check", "data stats", "data label")


@pytest.mark.parametrize("verb", [*cli.COMMANDS, *NESTED])
def test_every_help_ends_with_examples_that_parse(daflow, verb):
    code, out, _ = daflow(*verb.split(), "--help")
    examples = out.split("examples:\n")[1].strip().splitlines()
    assert code == 0 and len(examples) >= 3
    for example in examples:
        words = example.split()
        assert words[0] == "daflow"
        cli._parser(words[1:]).parse_args(words[1:])


def test_unknown_commands_and_options_are_refused(daflow):
    code, _, err = daflow("flo")
    assert code == 2 and err.startswith("daflow: error: ") and "invalid choice: 'flo'" in err
    code, _, err = daflow("flow", "a", "b", "--itres", "3")
    assert code == 2 and "unrecognized arguments: --itres 3" in err and err.count("\n") == 1
