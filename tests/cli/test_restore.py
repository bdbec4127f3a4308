"""`daflow restore`."""

import json

import numpy as np
import pytest

import daflow_jax
from daflow_jax.io import image, video
from tests import tiny

FRAMES = tiny.frames(4, 30, 41)


@pytest.fixture(scope="session")
def restorer(tmp_path_factory):
    """Returns the path of a restorer with random weights."""
    return str(tiny.save_restorer(tmp_path_factory.mktemp("models") / "restorer"))


@pytest.fixture
def clip(tmp_path):
    """Returns a folder of four frames of odd size, 0001.png to 0004.png."""
    for index, frame in enumerate(FRAMES, 1):
        image.write_image(tmp_path / "clip" / f"{index:04d}.png", frame)
    return tmp_path / "clip"


def test_a_folder_gives_frames_and_manifest(daflow, clip, restorer, tmp_path):
    code, out, err = daflow("restore", clip, "--model", restorer, "--out", "o")
    assert code == 0 and "o/clip/0001.png: 4 frames" in out
    assert "compiling for 30x41 (3 frames) ..." in err and "30x41, 3 frames, about" in err
    written = [image.read_image(tmp_path / f"o/clip/000{i}.png") for i in (1, 2, 3, 4)]
    expected = daflow_jax.restore(FRAMES, restorer)
    np.testing.assert_allclose(np.stack(written) / 255, expected, atol=0.51 / 255)
    manifest = json.loads((tmp_path / "o/manifest.json").read_text())
    assert manifest["model"]["name"] == "tiny-restorer" and manifest["options"]["steps"] is None
    again = daflow("restore", clip, "--model", restorer, "--out", "o", "--skip-existing")
    assert again[0] == 0 and "compiling" not in again[2]
    assert daflow("restore", clip, "--model", restorer, "--out", "o")[0] == 2


def test_a_video_gives_a_video(daflow, restorer, tmp_path):
    with video.Writer(tmp_path / "v.mp4", 10, FRAMES.shape[1:3]) as writer:
        for frame in FRAMES:
            writer.write(frame)
    words = ("restore", "v.mp4", "--model", restorer, "--color-fix", "wavelet", "--steps", 2)
    code, out, _ = daflow(*words, "--json", "--quiet")
    assert code == 0
    assert json.loads(out)["sequences"][0]["outputs"] == ["daflow_restored/v.mp4"]
    header = video.info(tmp_path / "daflow_restored/v.mp4")
    assert (header.frames, header.fps) == (4, 10.0)


@pytest.mark.slow
def test_one_image_and_guidance_with_stored_prompts(daflow, clip, restorer, tmp_path):
    text, pooled = np.ones((1, 4, 8), np.float32), np.ones(8, np.float32)
    np.save(tmp_path / "text.npy", text)
    np.save(tmp_path / "pooled.npy", pooled)
    words = ("restore", clip / "0001.png", "--model", restorer, "--guidance", 2)
    code, out, _ = daflow(*words, "--prompt", "text.npy", "pooled.npy", "--quiet")
    assert code == 0 and "daflow_restored/clip/0001.png: 1 frames" in out
    expected = daflow_jax.restore(FRAMES[:1], restorer, guidance=2.0, prompt=(text[0], pooled))
    written = image.read_image(tmp_path / "daflow_restored/clip/0001.png")
    np.testing.assert_allclose(written / 255, expected[0], atol=0.51 / 255)


def test_bad_usage_is_one_line_and_code_2(daflow, clip, restorer, model, tmp_path):
    cases = [
        (("--model", restorer, "--guidance", 4), "guidance 4: leads towards a positive prompt"),
        (("--model", model), "is a flow model (raft) and has no restoration model"),
        (("--model", restorer, "--steps", 0), "'0' is not a whole number from 1 up"),
        (("--model", "nonsense"), "is neither a model folder nor a known model"),
    ]
    for words, text in cases:
        code, out, err = daflow("restore", clip, *words)
        assert code == 2 and text in err and err.count("\n") == 1, err
    code, _, err = daflow("restore", tmp_path / "none", "--model", restorer)
    assert code == 2 and "not found" in err
    assert not (tmp_path / "daflow_restored").exists()
