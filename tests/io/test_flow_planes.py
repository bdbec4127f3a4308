"""Flow and STMaps for compositing: read back by our reader, by OpenEXR and by hand."""

import numpy as np
import pytest

from daflow_jax.errors import UserError
from daflow_jax.io import exr_file, read_flow, read_image, write_flow

OpenEXR = pytest.importorskip("OpenEXR")


@pytest.mark.parametrize("name", ["a.exr", "a.tif", "a.stmap.exr", "a.stmap.tiff"])
def test_planes_return_what_was_written(name, tmp_path):
    rng = np.random.default_rng(0)
    flow = rng.normal(0, 40, (48, 640, 2)).astype(np.float32)
    valid = rng.random((48, 640)) > 0.2
    flow[~valid] = np.nan
    assert write_flow(tmp_path / name, flow, valid) == 0
    got, known = read_flow(tmp_path / name)
    np.testing.assert_array_equal(known, valid)
    exact = 0 if "stmap" not in name else 1e-4
    np.testing.assert_allclose(got[valid], flow[valid], rtol=0, atol=exact)
    assert (got[~valid] == 0).all() and [p.name for p in tmp_path.iterdir()] == [name]


def test_an_stmap_says_where_to_look_from_the_bottom_left(tmp_path):
    flow = np.zeros((4, 8, 2), np.float32)
    flow[0, 0] = (2, 1)
    write_flow(tmp_path / "a.stmap.exr", flow)
    with OpenEXR.File(str(tmp_path / "a.stmap.exr"), separate_channels=True) as file:
        planes = {name: channel.pixels for name, channel in file.channels().items()}
    assert planes["R"].dtype == np.float32
    assert (planes["R"][0, 0], planes["G"][0, 0]) == (2.5 / 8, 1 - 1.5 / 4)
    assert (planes["R"][3, 7], planes["G"][3, 7]) == (7.5 / 8, 0.5 / 4)
    assert (planes["B"] == 1).all()


def test_motion_layers_of_other_programs_are_read(tmp_path):
    flow = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    exr_file.write(tmp_path / "a.exr", {"forward.u": flow[..., 0], "forward.v": flow[..., 1]})
    np.testing.assert_array_equal(read_flow(tmp_path / "a.exr")[0], flow)
    exr_file.write(tmp_path / "z.exr", {"Z": flow[..., 0]})
    with pytest.raises(UserError, match="z.exr: holds channels Z; flow has R and G"):
        read_flow(tmp_path / "z.exr")


def test_an_exr_picture_is_read_with_the_curve_of_srgb(tmp_path):
    linear = np.array([[0.0, 0.0021, 0.2140411, 1.0, 7.0, np.nan]], np.float32)
    exr_file.write(tmp_path / "a.exr", {name: linear for name in "RGBA"})
    got = read_image(tmp_path / "a.exr")
    assert got.dtype == np.uint16 and got.shape == (1, 6, 3)
    np.testing.assert_allclose(got[0, :, 0] / 65535, [0, 0.02713, 0.5, 1, 1, 0], atol=2e-5)


def test_broken_and_large_exr_files_are_named(tmp_path, capfd):
    ramp = np.broadcast_to(np.sqrt(np.arange(64, dtype=np.float32)), (64, 64))
    exr_file.write(tmp_path / "a.exr", {n: ramp for n in "RG"})
    data = (tmp_path / "a.exr").read_bytes()
    for cut in (2, 40, 300, len(data) - 20):
        (tmp_path / "b.exr").write_bytes(data[:cut])
        with pytest.raises(UserError, match="b.exr: "):
            read_flow(tmp_path / "b.exr")
    for place in range(len(data) - 400, len(data) - 40, 40):
        flipped = bytearray(data)
        flipped[place] ^= 255
        (tmp_path / "b.exr").write_bytes(flipped)
        with pytest.raises(UserError, match="b.exr: damaged "):
            read_flow(tmp_path / "b.exr")
    assert capfd.readouterr() == ("", "")
    at = data.index(b"dataWindow\0box2i\0") + 21
    (tmp_path / "b.exr").write_bytes(
        data[: at + 8] + np.array([99999, 99999], "<i4").tobytes() + data[at + 16 :]
    )
    with pytest.raises(UserError, match="b.exr: declares 100000x100000 pixels"):
        read_flow(tmp_path / "b.exr")
