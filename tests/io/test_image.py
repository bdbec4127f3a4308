"""Pictures: published bytes, bit depths, channels, and what broken ones say."""

import cv2
import numpy as np
import pytest

from daflow_jax.errors import UserError
from daflow_jax.io import image, read_image, write_image

GOLDEN = np.load("tests/golden/io/io_a.npz")


@pytest.mark.parametrize(("name", "key"), [("a.png", "rgb_png_bytes"), ("a.ppm", "ppm_bytes")])
def test_published_pictures_read_as_rgb(name, key, tmp_path):
    (tmp_path / name).write_bytes(GOLDEN[key].tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / name), GOLDEN["rgb_png"])


@pytest.mark.parametrize("extension", ["png", "tiff", "bmp", "ppm", "webp", "jpg"])
def test_pictures_return_as_written(extension, tmp_path):
    ramp = np.arange(0, 240, 10, dtype=np.uint8)
    picture = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], np.uint8(40)), -1)
    write_image(tmp_path / f"a.{extension}", picture, quality=100)
    error = np.abs(read_image(tmp_path / f"a.{extension}").astype(int) - picture)
    assert error.max() <= {"jpg": 12, "webp": 12}.get(extension, 0)


def test_sixteen_bits_stay_sixteen_bits(tmp_path):
    picture = np.arange(75, dtype=np.uint16).reshape(5, 5, 3) * 800
    write_image(tmp_path / "a.png", picture)
    got = read_image(tmp_path / "a.png")
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, picture)
    with pytest.raises(UserError, match=".jpg: cannot hold 16-bit pixels. Use .png or .tiff"):
        write_image(tmp_path / "a.jpg", picture)


def test_gray_is_repeated_and_alpha_dropped(tmp_path):
    gray = np.arange(20, dtype=np.uint8).reshape(4, 5)
    write_image(tmp_path / "gray.png", gray)
    np.testing.assert_array_equal(
        read_image(tmp_path / "gray.png"), np.repeat(gray[..., None], 3, -1)
    )
    rgba = np.random.default_rng(0).integers(0, 256, (4, 5, 4)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "rgba.png"), rgba[..., [2, 1, 0, 3]])
    np.testing.assert_array_equal(read_image(tmp_path / "rgba.png"), rgba[..., :3])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (image.encode(np.zeros((40, 40, 3), np.uint8), ".png")[:-20], "truncated image. Copy or"),
        (image.encode(np.zeros((40, 40, 3), np.uint8), ".jpg")[:-20], "truncated image. Copy or"),
        (b"hello", "not a readable image. Convert it to one of .png"),
        (b"", "empty file. Copy or download it again"),
    ],
)
def test_broken_pictures_name_file_rule_and_remedy(content, message, tmp_path, capfd):
    path = tmp_path / "frame.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"frame.png: {message}"):
        read_image(path)
    assert capfd.readouterr().err == ""


def test_missing_folder_and_unknown_kind_are_refused(tmp_path):
    with pytest.raises(UserError, match="no.png: not found"):
        read_image(tmp_path / "no.png")
    with pytest.raises(UserError, match="is a folder where a file is needed"):
        read_image(tmp_path)
    with pytest.raises(UserError, match=".xyz: not a known image format. Use .png"):
        write_image(tmp_path / "a.xyz", np.zeros((4, 4, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "a.tiff"), np.zeros((4, 4, 3), np.float32))
    with pytest.raises(UserError, match="float32 pixels; images hold 8 or 16 bits"):
        read_image(tmp_path / "a.tiff")
    with pytest.raises(ValueError, match="image is float64; files hold uint8 or uint16"):
        write_image(tmp_path / "a.png", np.zeros((4, 4, 3)))
