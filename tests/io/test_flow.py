"""Flow files against published bytes, round trips, and what broken ones say."""

import errno
import os
import sys

import numpy as np
import pytest

from daflow_jax.errors import UserError
from daflow_jax.io import atomic, flo, image, kitti_png, pfm, read_flow, spring_h5, write_flow

GOLDEN = [np.load(f"tests/golden/io/io_{name}.npz") for name in "ab"]


def put(path, content: np.ndarray):
    path.write_bytes(content.tobytes())
    return path


@pytest.mark.parametrize("golden", GOLDEN)
@pytest.mark.parametrize(
    ("name", "key"),
    [("a.flo", "flo"), ("a.pfm", "pfm_le"), ("a.pfm", "pfm_be"), ("a.npy", "npy")],
)
def test_published_files_read_as_the_flow_they_hold(golden, name, key, tmp_path):
    flow, valid = read_flow(put(tmp_path / name, golden[f"{key}_bytes"]))
    np.testing.assert_array_equal(flow, golden["flow"])
    assert flow.dtype == np.float32 and valid.all()


@pytest.mark.parametrize("golden", GOLDEN)
def test_flo_and_pfm_bytes_are_the_published_ones(golden):
    assert flo.encode(golden["flow"]) == golden["flo_bytes"].tobytes()
    assert pfm.encode(golden["flow"]) == golden["pfm_le_bytes"].tobytes()
    gray = pfm.decode(golden["pfm_gray_bytes"].tobytes(), "gray.pfm")
    np.testing.assert_array_equal(gray[..., 0], golden["flow"][..., 0])


@pytest.mark.parametrize("golden", GOLDEN)
def test_unknown_pixels_of_flo_and_flo5_are_invalid(golden, tmp_path):
    flow, valid = read_flow(put(tmp_path / "a.flo", golden["flo_unknown_bytes"]))
    expected = np.ones(valid.shape, bool)
    expected[1, 1] = False
    np.testing.assert_array_equal(valid, expected)
    assert (flow[1, 1] == 0).all()
    flow, valid = read_flow(put(tmp_path / "a.flo5", golden["flo5_bytes"]))
    np.testing.assert_array_equal(valid, np.isfinite(golden["flo5_flow"]).all(-1))
    np.testing.assert_array_equal(flow[valid], golden["flo5_flow"][valid])


@pytest.mark.parametrize("golden", GOLDEN)
def test_kitti_png_reads_as_published(golden, tmp_path):
    for data, flow, valid in (
        ("kitti_png_bytes", "kitti_flow_decoded", "kitti_valid_decoded"),
        ("kitti_sparse_png_bytes", "kitti_sparse_decoded", "kitti_sparse_valid"),
    ):
        got, known = read_flow(put(tmp_path / "a.png", golden[data]))
        np.testing.assert_array_equal(known, golden[valid] > 0)
        np.testing.assert_array_equal(got[known], golden[flow][known])


def test_kitti_png_rounds_and_counts_clipped_pixels(tmp_path):
    flow = np.zeros((2, 3, 2), np.float32)
    flow[0, 0] = (0.010, -0.010)  # 0.64 of a step
    flow[0, 1] = (600, 0)
    flow[1, 2] = (0, -513)
    valid = np.ones((2, 3), bool)
    valid[1, 2] = False
    assert write_flow(tmp_path / "a.png", flow, valid) == 1
    got, known = read_flow(tmp_path / "a.png")
    np.testing.assert_array_equal(got[0, 0], (1 / 64, -1 / 64))
    np.testing.assert_array_equal(known, [[True, False, True], [True, True, False]])


@pytest.mark.parametrize("extension", ["flo", "png", "pfm", "flo5", "npy", "npz"])
def test_every_format_returns_what_was_written(extension, tmp_path):
    flow = np.random.default_rng(0).integers(-6400, 6400, (7, 5, 2)).astype(np.float32) / 64
    valid = np.random.default_rng(1).random((7, 5)) > 0.3
    flow[~valid] = np.nan
    path = tmp_path / f"made/a.{extension}"
    assert write_flow(path, flow, valid) == 0
    got, known = read_flow(path)
    np.testing.assert_array_equal(known, valid)
    np.testing.assert_array_equal(got, np.where(valid[..., None], flow, 0))
    assert list(path.parent.iterdir()) == [path]


def test_spring_truth_keeps_every_second_value(tmp_path):
    flow = np.arange(48, dtype=np.float32).reshape(4, 6, 2)
    write_flow(tmp_path / "a.flo5", flow)
    np.testing.assert_array_equal(
        read_flow(tmp_path / "a.flo5", every_second=True)[0], flow[::2, ::2]
    )


def flo_bytes(cut=0):
    data = flo.encode(np.zeros((3, 4, 2), np.float32))
    return data[: len(data) - cut]


BROKEN = {
    "tag.flo": (b"HEIP" + flo_bytes()[4:], r"starts with b'HEIP'; a .flo file starts with b'PIEH'"),
    "cut.flo": (
        flo_bytes(8),
        r"100 bytes; its header says 4x3, which is 108 bytes. .*copy it again",
    ),
    "head.flo": (flo_bytes()[:9], r"9 bytes; the header alone has 12"),
    "wheel.png": (
        image.encode(np.zeros((4, 4, 3), np.uint8), ".png"),
        r"8-bit with 3 channels; KITTI flow is 16-bit with 3 channels. A colour-wheel picture",
    ),
    "cut.png": (kitti_png.encode(np.ones((9, 9, 2)), np.ones((9, 9), bool)).data[:-9], "truncated"),
    "cut.pfm": (pfm.encode(np.zeros((3, 4, 2), np.float32))[:-1], "its header says 4x3x3"),
    "head.pfm": (b"P6\n4 3\n255\n", "a .pfm file starts with PF"),
    "gray.pfm": (pfm.encode(np.zeros((3, 4, 1), np.float32)), "1 channel; flow in .pfm has 3"),
    "a.flo5": (b"not hdf5", 'not an HDF5 file with a dataset "flow"'),
    "a.npy": (b"no numpy", "not a readable NumPy file"),
    "a.npz": (b"PK\x03\x04 no zip", "not a readable NumPy file"),
    "empty.flo": (b"", "empty file"),
    "a.xyz": (b"x", r".xyz is not a flow format. Use one of .flo .png .pfm"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_file_names_file_rule_and_remedy(name, tmp_path):
    content, message = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_flow(path)
    assert caught.value.code == 2 and str(caught.value).startswith(f"{path}: ")


def test_missing_file_wrong_shape_and_pickles_are_refused(tmp_path):
    with pytest.raises(UserError, match="a.flo: not found"):
        read_flow(tmp_path / "a.flo")
    np.save(tmp_path / "a.npy", np.zeros((2, 4, 4)))
    with pytest.raises(UserError, match=r"holds float64 of shape \(2, 4, 4\); flow is"):
        read_flow(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(UserError, match="not a readable NumPy file"):
        read_flow(tmp_path / "b.npy")
    np.savez(tmp_path / "a.npz", motion=np.zeros((4, 4, 2)))
    with pytest.raises(UserError, match="holds motion; a flow .npz holds flow and valid"):
        read_flow(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", flow=np.zeros((4, 4, 2)), valid=np.ones((4, 3)))
    with pytest.raises(UserError, match=r"valid has shape \(4, 3\)"):
        read_flow(tmp_path / "b.npz")


def test_nan_in_valid_flow_is_refused_and_writes_nothing(tmp_path):
    flow = np.zeros((3, 3, 2), np.float32)
    flow[1, 1, 0] = np.nan
    with pytest.raises(UserError, match="NaN or infinity in 1 valid pixels. Mark those pixels"):
        write_flow(tmp_path / "a.flo", flow)
    assert not list(tmp_path.iterdir())


def test_missing_h5py_is_the_machines_fault(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        UserError, match=r"needs? the package h5py. Install daflow-jax\[io\]"
    ) as caught:
        spring_h5.encode(np.zeros((2, 2, 2)), "a.flo5")
    assert caught.value.code == 3


def test_full_disk_keeps_the_old_file_and_no_half_file(tmp_path, monkeypatch):
    path = tmp_path / "a.flo"
    path.write_bytes(b"old")

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="no space left on device.*no half file remains") as caught:
        write_flow(path, np.zeros((3, 3, 2), np.float32))
    assert caught.value.code == 3
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_writing_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be written"):
        atomic.write_text(tmp_path / "file/a.txt", "x")
