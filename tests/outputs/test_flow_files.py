"""Flow is written as it comes; what waits for the scale is read back or spooled, and removed."""

import os
import subprocess
import sys
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from daflow_jax import viz
from daflow_jax.errors import UserError
from daflow_jax.io import image, video
from daflow_jax.outputs import FlowFiles, leftovers, spool


def flows(count=3):
    rng = np.random.default_rng(0)
    return [rng.normal(0, 2 + k, (16, 24, 2)).astype(np.float32) for k in range(count)]


def write(files, motions):
    for index, motion in enumerate(motions):
        result = SimpleNamespace(flow=motion, backward=None)
        files.write(f"{index}", result, frame(index))
    files.finish(frame(index) for index in range(len(motions)))
    files.close()


def frame(index):
    pixels = np.full((16, 24, 3), 60 * index, np.uint8)
    return video.Frame(pixels, video.Stamp(index, Fraction(index, 5), Fraction(1, 5), 0))


@pytest.mark.parametrize("formats", [["flo", "wheel"], ["wheel"], ["png16", "wheel"]])
def test_wheels_have_one_scale_and_need_a_spool_only_without_exact_flow(
    tmp_path, monkeypatch, formats
):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    files = FlowFiles(tmp_path / "o", formats)
    if "flo" not in formats:
        with pytest.raises(UserError, match="temporary files cannot be written") as caught:
            write(files, flows())
        assert caught.value.code == 3 and "none" in caught.value.where
        (tmp_path / "none").mkdir()
        files = FlowFiles(tmp_path / "o", formats, existing="replace")
    write(files, flows())
    for index, motion in enumerate(flows()):
        picture = image.read_image(tmp_path / f"o/{index}_wheel.png").astype(int)
        near = np.abs(picture - viz.flow_to_rgb(motion, files.fastest))
        assert near.max() <= 2 and near.mean() < 0.1
    assert not [*(tmp_path / "none").glob("*")]


def test_overlay_is_alike_at_once_and_afterwards_and_keeps_the_times(tmp_path):
    scale = FlowFiles(tmp_path / "auto/v", ["npy", "overlay"], fps=5)
    write(scale, flows())
    write(FlowFiles(tmp_path / "now/v", ["overlay"], scale.fastest, fps=5), flows())
    both = [list(video.timed(tmp_path / f"{name}/v_overlay.mp4")) for name in ("auto", "now")]
    for one, other in zip(*both, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert one.stamp == other.stamp
    assert [frame.stamp.time for frame in both[0]] == [0, Fraction(1, 5), Fraction(2, 5)]


def test_files_that_exist_are_kept_or_refused(tmp_path):
    write(FlowFiles(tmp_path / "o", ["npy"]), flows(1))
    kept = FlowFiles(tmp_path / "o", ["npy"], existing="keep")
    write(kept, [*flows(1), np.zeros((16, 24, 2), np.float32)])
    np.testing.assert_array_equal(np.load(tmp_path / "o/0.npy"), flows(1)[0])
    assert kept.kept == 1 and kept.written == [tmp_path / "o/1.npy"]
    with pytest.raises(UserError, match="exists"):
        write(FlowFiles(tmp_path / "o", ["npy"]), flows(1))


@pytest.mark.skipif(os.name != "posix", reason="processes are asked for by signal 0")
def test_what_dead_processes_left_is_removed_and_the_rest_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead = int(subprocess.check_output([sys.executable, "-c", "import os; print(os.getpid())"]))
    folders = [tmp_path / f"{leftovers.SPOOL}{pid}-x" for pid in (dead, os.getpid())]
    for folder in folders:
        folder.mkdir()
        (folder / "0.npy").touch()
    parts = [tmp_path / f".a.{pid}.0123abcd.part.flo" for pid in (dead, os.getpid())]
    for part in parts:
        part.touch()
    kept = spool.Spool()
    path = kept.save("0", flows(1)[0])
    leftovers.clean_folder(tmp_path)
    assert [folder.exists() for folder in folders] == [False, True]
    assert [part.exists() for part in parts] == [False, True] and path.is_file()
    kept.close()
    assert not path.exists()
