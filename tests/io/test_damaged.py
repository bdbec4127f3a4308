"""Damaged, truncated and overlarge files: one line that names the file, and quiet libraries."""

import os
import struct
import threading
import zipfile
import zlib

import numpy as np
import pytest

from daflow_jax.errors import UserError
from daflow_jax.io import image, limits, packed_flow, read_flow, read_image

h5py = pytest.importorskip("h5py")

TEXTURE = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)


def refused(path, rule, read=read_image):
    with pytest.raises(UserError, match=rule) as refusal:
        read(path)
    assert str(refusal.value).startswith(f"{path}: ") and "\n" not in str(refusal.value)


def put(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "extension", ["png", "jpg", "webp", "tiff", "bmp", "ppm", "pgm", "avif", "jp2"]
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_truncated_pictures_are_named(extension, share, tmp_path, capfd):
    data = image.encode(TEXTURE[..., 0] if extension == "pgm" else TEXTURE, f".{extension}")
    path = put(tmp_path / f"a.{extension}", data[: int(share * len(data))])
    refused(path, "truncated image")
    assert capfd.readouterr().err == ""


def test_a_jpeg_that_only_its_thumbnail_ends_is_truncated(tmp_path):
    data = image.encode(TEXTURE, ".jpg")
    inner = image.encode(TEXTURE[:8, :8], ".jpg")
    marker = b"\xff\xe1" + struct.pack(">H", len(inner) + 2) + inner
    refused(put(tmp_path / "a.jpg", data[:2] + marker + data[2:1500]), "truncated image")


def test_damage_inside_is_named_and_libraries_are_quiet(tmp_path, capfd):
    jpeg, png = (image.encode(TEXTURE, kind) for kind in (".jpg", ".png"))
    refused(
        put(tmp_path / "a.jpg", jpeg[:-2] + b"\x33" * 200 + jpeg[-2:]), "damaged image .Corrupt"
    )
    middle = len(png) // 2
    flipped = png[:middle] + bytes([png[middle] ^ 4]) + png[middle + 1 :]
    refused(put(tmp_path / "a.png", flipped), "damaged image: the checksum of IDAT is wrong")
    at = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[at - 4 : at])
    body = bytearray(png[at : at + 4 + length])
    body[200] ^= 4
    signed = png[:at] + bytes(body) + struct.pack(">I", zlib.crc32(body)) + png[at + 8 + length :]
    refused(put(tmp_path / "b.png", signed), "damaged image .libpng error")
    assert capfd.readouterr().err == ""


def test_threads_find_the_damaged_picture_and_keep_their_own_words(tmp_path, capfd):
    jpeg = image.encode(np.tile(TEXTURE, (4, 4, 1)), ".jpg")
    good = put(tmp_path / "good.jpg", jpeg)
    bad = put(tmp_path / "bad.jpg", jpeg[:-2] + b"\x33" * 200 + jpeg[-2:])
    wrong: list[str] = []

    def work(path, is_good):
        for _ in range(20):
            try:
                read_image(path)
                wrong.append("bad was read") if not is_good else None
            except UserError as error:
                wrong.append(str(error)) if is_good else None
            os.write(2, b"a word of ours\n")

    threads = [threading.Thread(target=work, args=pair) for pair in ((good, 1), (bad, 0)) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert capfd.readouterr().err == "a word of ours\n" * 120


def png_of(width, height, data=b""):
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_declared_sizes_are_checked_first(tmp_path, monkeypatch):
    refused(put(tmp_path / "a.png", png_of(40000, 40000)), "declares 40000x40000 pixels, more than")
    refused(put(tmp_path / "b.png", png_of(8000, 8000)), "truncated image")
    refused(
        put(tmp_path / "a.ppm", b"P6 99999999 99999999 255\n" + bytes(99)), "declares 99999999x"
    )
    path = put(tmp_path / "c.png", image.encode(TEXTURE, ".png"))
    monkeypatch.setenv(limits.VARIABLE, "6000")
    refused(path, "declares 96x64 pixels, more than the limit of 6000. Set DAFLOW_MAX_PIXELS")
    monkeypatch.setenv(limits.VARIABLE, "many")
    with pytest.raises(UserError, match="DAFLOW_MAX_PIXELS: is 'many', not a number of pixels"):
        read_image(path)


def test_pipes_folders_and_dangling_links_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "is a pipe or a device, not a file")
    (tmp_path / "link.png").symlink_to("gone.png")
    refused(tmp_path / "link.png", "is a link to gone.png, which does not exist. Restore the file")
    (tmp_path / "loop.png").symlink_to("loop.png")
    refused(tmp_path / "loop.png", "cannot be read .Too many levels of symbolic links")


@pytest.mark.parametrize("maxval", [1, 15, 100, 255, 256, 1023, 65535])
@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
def test_netpbm_is_scaled_by_its_maxval(maxval, kind, tmp_path):
    values = np.rint(np.linspace(0, maxval, 12)).astype(int)
    shape = (2, 2, 3) if kind in ("P3", "P6") else (2, 6)
    head = f"{kind}\n# a comment\n{shape[1]} {shape[0]}\n{maxval}\n".encode()
    raw = values.astype(">u2" if maxval > 255 else np.uint8).tobytes()
    body = raw if kind in ("P5", "P6") else " ".join(map(str, values)).encode()
    got = read_image(put(tmp_path / "a.ppm", head + body))
    full = 255 if maxval <= 255 else 65535
    expected = np.rint(values * full / maxval).astype(got.dtype).reshape(shape)
    assert got.dtype == (np.uint8 if full == 255 else np.uint16)
    np.testing.assert_array_equal(got if len(shape) == 3 else got[..., 0], expected)


def test_heic_is_a_clear_message(tmp_path):
    data = struct.pack(">I4s4sI", 16, b"ftyp", b"heic", 0) + struct.pack(">I4s", 8, b"mdat")
    refused(put(tmp_path / "a.png", data), "HEIC pictures are not read. Convert it to .png or .jpg")


def hdf5(path, write):
    with h5py.File(path, "w") as file:
        write(file)
    return path


def _virtual(file):
    layout = h5py.VirtualLayout((4, 4, 2), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "flow", (4, 4, 2))
    file.create_virtual_dataset("flow", layout)


HDF5 = {
    "external": (
        lambda f: f.create_dataset("flow", (4, 4, 2), "f4", external=[("secret", 0, 128)]),
        "takes its values from other files",
    ),
    "virtual": (_virtual, "takes its values from other files"),
    "link": (lambda f: f.__setitem__("flow", h5py.ExternalLink("other.h5", "/flow")), "is a link"),
    "soft": (lambda f: f.__setitem__("flow", h5py.SoftLink("/flow")), "is a link"),
    "group": (lambda f: f.create_group("flow"), "is a group"),
    "bomb": (
        lambda f: f.create_dataset("flow", (9000, 9000, 2), "f4", chunks=True, compression="gzip"),
        "packed bytes declare 648000000",
    ),
    "large": (
        lambda f: f.create_dataset("flow", (20000, 20000, 2), "f4", chunks=True),
        "declares 20000x20000 pixels",
    ),
    "complex": (lambda f: f.create_dataset("flow", (4, 4, 2), "c8"), "holds complex64 of shape"),
}


@pytest.mark.parametrize("case", HDF5)
def test_hdf5_never_reads_another_file(case, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(128))
    write, rule = HDF5[case]
    refused(hdf5(tmp_path / "a.flo5", write), rule, read_flow)


def npy(dtype, shape, body=b"", version=1):
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text + body


NUMPY = {
    "huge": (npy("<f4", (10**6, 10**6, 2), bytes(64)), "and has 64 bytes of values"),
    "wrap": (npy("<f4", (2**62, 4, 2), bytes(64)), "and has 64 bytes of values"),
    "empty": (npy("<f4", (0, 0, 2)), "declares float32 of shape .0, 0, 2."),
    "complex": (npy("<c8", (2, 2, 2), bytes(64)), "holds complex64, which is not a kind of flow"),
    "time": (npy("<m8[s]", (2, 2, 2), bytes(64)), "timedelta64.s., which is not a kind of flow"),
    "bool": (npy("|b1", (2, 2, 2), bytes(8)), "holds bool, which is not a kind of flow"),
    "code": (npy("<f4", "__import__('os')", bytes(64)), "not a readable NumPy file"),
    "nested": (npy("<f4", "(" * 3000 + ")" * 3000), "not a readable NumPy file"),
    "version": (npy("<f4", (2, 2, 2), bytes(32), 9), "not a readable NumPy file"),
}


@pytest.mark.parametrize("case", NUMPY)
def test_odd_numpy_headers_are_refused(case, tmp_path):
    data, rule = NUMPY[case]
    refused(put(tmp_path / "a.npy", data), rule, read_flow)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("flow.npy", data)
    refused(tmp_path / "a.npz", rule, read_flow)


def test_packed_members_that_grow_out_of_proportion_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("flow.npy", "w") as file:
            file.write(npy("<f4", (6000, 6000, 2)))
            for _ in range(288):
                file.write(bytes(10**6))
    refused(path, "packed bytes declare 288000", read_flow)
    data = path.read_bytes()
    at = data.rindex(b"PK\x01\x02")
    path.write_bytes(data[: at + 8] + b"\1" + data[at + 9 :])  # the flag of encryption
    refused(path, "flow.npy is encrypted", read_flow)


def test_packed_flow_unpacks_no_more_than_it_declares():
    data = packed_flow.encode(np.zeros((2, 2, 2), np.float32), np.ones((2, 2), bool))
    bomb = data[:12] + zlib.compress(bytes(10**8))
    with pytest.raises(UserError, match="damaged flow"):
        packed_flow.decode(bomb, "record")


@pytest.mark.parametrize(
    ("head", "rule"),
    [
        (b"PF\n2 2\n0\n", "its scale is 0; the sign says the byte order"),
        (b"PF\n2 2\ne\n", "a .pfm file starts with PF"),
        (b"PF\n2 2\n-1e999\n", "its scale is -1e999"),
        (b"PF\n99999999999999999999 2\n-1\n", "a .pfm file starts with PF"),
        (b"PF\n-2 2\n-1\n", "a .pfm file starts with PF"),
    ],
)
def test_odd_pfm_headers_are_refused(head, rule, tmp_path):
    refused(put(tmp_path / "a.pfm", head + bytes(48)), rule, read_flow)


def test_pfm_with_comments_and_spaces_is_read(tmp_path):
    body = np.arange(12, dtype="<f4").tobytes()
    for head in (b"PF\n# by a renderer\n2 2\n-1.0\n", b"PF \n2 2 \n-1.0 \r\n"):
        flow, valid = read_flow(put(tmp_path / "a.pfm", head + body))
        np.testing.assert_array_equal(flow[1], [[0, 1], [3, 4]])
        assert valid.all()


@pytest.mark.parametrize("unknown", [1e9, 1e10, -1e9, 1e38, np.nan, np.inf])
@pytest.mark.parametrize("extension", ["flo", "pfm", "flo5", "npy", "npz"])
def test_unknown_flow_is_unknown_in_every_format(extension, unknown, tmp_path):
    from daflow_jax.io import flo, numpy_files, pfm, spring_h5

    flow = np.ones((3, 4, 2), np.float32)
    flow[1, 2, 1] = unknown
    data = {
        "flo": lambda: flo.encode(flow),
        "pfm": lambda: pfm.encode(flow),
        "flo5": lambda: spring_h5.encode(flow, "a"),
        "npy": lambda: numpy_files.encode_npy(flow),
        "npz": lambda: numpy_files.encode_npz(flow, np.ones((3, 4), bool)),
    }[extension]()
    got, valid = read_flow(put(tmp_path / f"a.{extension}", data))
    assert (~valid).sum() == 1 and not valid[1, 2] and (got[1, 2] == 0).all()


def test_a_picture_that_a_format_cannot_hold_is_refused_quietly(capfd):
    with pytest.raises(UserError, match=".jp2: cannot hold 3x3 pixels. Use .png"):
        image.encode(TEXTURE[:3, :3], ".jp2")
    assert capfd.readouterr().err == ""


def test_places_beyond_any_file_are_a_truncated_picture(tmp_path):
    head = b"II+\0" + struct.pack("<HHQ", 8, 0, 2**64 - 8)  # BigTIFF: its first page
    (tmp_path / "a.tif").write_bytes(head + bytes(64))
    with pytest.raises(UserError, match="a.tif: truncated image"):
        read_image(tmp_path / "a.tif")
