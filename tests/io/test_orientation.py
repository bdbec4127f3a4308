"""Pictures upright, as a viewer shows them, in every format and for all eight orientations."""

import io
import struct

import cv2
import numpy as np
import pytest

from daflow_jax.io import image, orientation, read_image

BLOCKS = np.kron(np.array([[250, 120, 60], [10, 30, 180]], np.uint8), np.ones((32, 32), np.uint8))
STORED = np.repeat(BLOCKS[..., None], 3, -1)  # no two of the eight orientations look alike
UPRIGHT = {  # what Exif's numbers mean: the first row and column of the stored picture are ...
    1: STORED,
    2: STORED[:, ::-1],  # top, right
    3: STORED[::-1, ::-1],  # bottom, right
    4: STORED[::-1],  # bottom, left
    5: STORED.transpose(1, 0, 2),  # left, top
    6: np.rot90(STORED, -1),  # right, top: turn right to see it upright
    7: STORED.transpose(1, 0, 2)[::-1, ::-1],  # right, bottom
    8: np.rot90(STORED),  # left, bottom
}


def exif(turn):
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, turn, 0, 0)


def encoded(extension, turn):
    """Returns a picture with an orientation, and by how much its pixels may differ."""
    if extension in (".tif", ".avif"):
        pil = pytest.importorskip("PIL.Image")
        stream, tag = io.BytesIO(), pil.Exif()
        tag[274] = turn
        how = {"tiffinfo": {274: turn}} if extension == ".tif" else {"exif": tag, "quality": 95}
        pil.fromarray(STORED).save(stream, "TIFF" if extension == ".tif" else "AVIF", **how)
        return stream.getvalue(), 8
    metadata = [np.frombuffer(exif(turn), np.uint8)]
    done, data = cv2.imencodeWithMetadata(extension, STORED, [cv2.IMAGE_METADATA_EXIF], metadata)
    assert done
    return data.tobytes(), 8


@pytest.mark.parametrize("turn", UPRIGHT)
@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".avif", ".tif"])
def test_pictures_are_upright(extension, turn, tmp_path, monkeypatch):
    data, slack = encoded(extension, turn)
    path = tmp_path / f"a{extension}"
    path.write_bytes(data)
    got = read_image(path).astype(int)
    assert got.shape == UPRIGHT[turn].shape and np.abs(got - UPRIGHT[turn]).max() <= slack
    assert read_image(path, upright=False).shape == STORED.shape
    monkeypatch.setenv(orientation.VARIABLE, "stored")
    kept = read_image(path).astype(int)
    assert kept.shape == STORED.shape and np.abs(kept - STORED).max() <= slack


@pytest.mark.parametrize("turn", [3, 6, 7])
def test_sixteen_bit_tiff_is_upright(turn, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    tag = [(274, "H", 1, turn, True)]
    tifffile.imwrite(path, STORED.astype(np.uint16) * 257, photometric="rgb", extratags=tag)
    np.testing.assert_array_equal(read_image(path), UPRIGHT[turn].astype(np.uint16) * 257)


def test_damaged_exif_is_no_orientation():
    whole = exif(6)
    assert orientation.of_exif(b"Exif\0\0" + whole) == 6
    assert [orientation.of_exif(whole[:k]) for k in range(len(whole) - 8)].count(1) > 15
    assert orientation.of_exif(exif(9)) == orientation.of_exif(b"II*\0\xff\xff\xff\xff") == 1


def test_the_switch_refuses_other_words(monkeypatch, tmp_path):
    (tmp_path / "a.png").write_bytes(image.encode(STORED, ".png"))
    monkeypatch.setenv(orientation.VARIABLE, "sideways")
    with pytest.raises(image.UserError, match="DAFLOW_ORIENTATION: is 'sideways'. Use upright or"):
        read_image(tmp_path / "a.png")
