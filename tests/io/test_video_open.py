"""Which file is opened, by which reader, and which of its tracks; how the pictures lie."""

import os
import socket
from fractions import Fraction

import av
import numpy as np
import pytest

from daflow_jax.errors import UserError
from daflow_jax.io import limits, orientation, video
from tests.io.videos import make, moving


def test_pipe_or_device_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    os.symlink("/dev/zero", tmp_path / "b.mp4")
    for name in ("a.mp4", "b.mp4"):
        with pytest.raises(UserError, match=f"{name}: is a pipe or a device"):
            video.info(tmp_path / name)
        with pytest.raises(UserError, match=f"{name}: is a pipe or a device"):
            next(video.frames(tmp_path / name))


def test_what_is_no_video_is_named(tmp_path):
    (tmp_path / "a.mp4").mkdir()
    (tmp_path / "b.mp4").write_bytes(b"")
    (tmp_path / "c.mp4").write_bytes(b"no video " * 100)
    os.symlink("nothing.mp4", tmp_path / "d.mp4")
    rules = ("is a folder", "empty file", "not a readable video", "is a link to nothing.mp4")
    for name, rule in zip(("a.mp4", "b.mp4", "c.mp4", "d.mp4"), rules, strict=True):
        with pytest.raises(UserError, match=f"{name}: {rule}"):
            video.info(tmp_path / name)


@pytest.mark.parametrize("kind", ["ffconcat", "m3u8", "mpd", "pattern"])
def test_lists_of_other_files_open_none(kind, tmp_path):
    make(tmp_path / "secret.ts", moving(3))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.ts"
        texts = {
            "ffconcat": "ffconcat version 1.0\nfile secret.ts\n",
            "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n",
            "mpd": f'<?xml version="1.0"?><MPD type="static"><BaseURL>{url}</BaseURL></MPD>',
            "pattern": "concat:secret.ts",
        }
        path = tmp_path / "a.mp4"
        path.write_text(texts[kind])
        with pytest.raises(UserError, match=r"a.mp4: not a readable video"):
            list(video.frames(path))
        with pytest.raises(TimeoutError):
            server.accept()


def test_names_are_no_protocols(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a.mp4", "http:a.mp4", "50% off %03d?.mp4", "-i.mp4", "\udcff.mp4"):
        path = make(tmp_path / "plain.mp4", moving(3)).rename(tmp_path / name)
        assert video.info(name).frames == 3
        assert len(list(video.frames(path.name))) == 3


@pytest.mark.parametrize(
    ("name", "format", "better"),
    [("a.mp4", "matroska", "a.mkv"), ("a.avi", "mp4", "a.mp4"), ("a.mkv", "mpegts", "a.mpg")],
)
def test_content_must_match_the_name(name, format, better, tmp_path):
    path = make(tmp_path / name, moving(3), format=format)
    with pytest.raises(UserError, match=f"{name}: holds .*, not what its name says. Rename it to"):
        video.info(path)


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.ts", "mpegts"), ("a.m2ts", "mpegts"), ("a.mpg", "mpegts"), ("a.mpg", "mpeg")],
)
def test_transport_streams_are_read(name, format, tmp_path):
    path = make(tmp_path / name, moving(8), "mpeg2video", format=format)
    assert video.is_video(path)
    assert len(list(video.frames(path))) == video.info(path).frames == 8


def test_best_track_is_read_not_the_cover(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        still = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux([*cover.encode(still), *cover.encode(None)])
        for frame in moving(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    assert video.info(path) == video.Info(6, 64, 96, 25.0)
    assert [frame.shape for frame in video.frames(path)] == [(64, 96, 3)] * 6


def test_declared_size_is_checked_before_decoding(tmp_path, monkeypatch):
    path = make(tmp_path / "a.mp4", moving(3))
    monkeypatch.setenv(limits.VARIABLE, "6000")
    with pytest.raises(UserError, match="a.mp4: declares 96x64 pixels, more than the limit"):
        list(video.frames(path))
    gif = make(tmp_path / "a.gif", moving(3), "gif", "rgb8")
    data = bytearray(gif.read_bytes())
    data[6:10] = b"\xff\xff\xff\xff"
    gif.write_bytes(data)
    with pytest.raises(UserError, match=r"a.gif: "):
        list(video.frames(gif))


def test_texts_of_other_encodings_do_not_matter(tmp_path):
    path = make(tmp_path / "a.avi", moving(3), "mpeg4")
    data = path.read_bytes()
    assert b"Lavf" in data
    path.write_bytes(data.replace(b"Lavf", b"\xe9\xff\xfe\xe8"))
    assert video.info(path).frames == 3


# a, b, c, d of x' = ax + cy, y' = bx + dy, and the same in NumPy
LAID = {
    (1, 0, 0, 1): lambda p: p,
    (-1, 0, 0, 1): lambda p: p[:, ::-1],
    (-1, 0, 0, -1): lambda p: p[::-1, ::-1],
    (1, 0, 0, -1): lambda p: p[::-1],
    (0, 1, 1, 0): lambda p: p.swapaxes(0, 1),
    (0, 1, -1, 0): lambda p: np.rot90(p, -1),
    (0, -1, -1, 0): lambda p: np.rot90(p, -1)[::-1],
    (0, -1, 1, 0): lambda p: np.rot90(p),
}


@pytest.mark.skipif(
    not hasattr(av.video.stream.VideoStream, "set_display_matrix"), reason="PyAV cannot write one"
)
@pytest.mark.parametrize("matrix", LAID)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_pictures_lie_as_a_viewer_shows_them(name, matrix, tmp_path, monkeypatch):
    path = make(tmp_path / name, moving(2), matrix=list(matrix))
    stored = next(video.frames(path, upright=False))
    shown = next(video.frames(path))
    assert stored.shape == (64, 96, 3) and video.info(path, upright=False).height == 64
    np.testing.assert_array_equal(shown, LAID[matrix](stored))
    header = video.info(path)
    assert (header.height, header.width) == shown.shape[:2] and shown.flags.c_contiguous
    monkeypatch.setenv(orientation.VARIABLE, orientation.STORED)
    np.testing.assert_array_equal(next(video.frames(path)), stored)


def test_odd_angles_stay_as_stored(tmp_path):
    from daflow_jax.io.video import display_matrix

    turn = np.array([0.7, 0.7, 0, -0.7, 0.7, 0, 0, 0, 1]) * 65536
    assert display_matrix.of_matrix(turn.astype(np.int32).tobytes()) == 1
    assert display_matrix.of_matrix(np.array([65536, 100, 0, -100, 65536], "i4").tobytes()) == 1
    assert display_matrix.of_matrix(np.array([-90, 65536, 0, -65536, 40], "i4").tobytes()) == 6


def test_rate_is_kept_as_a_fraction(tmp_path):
    path = make(tmp_path / "a.mkv", moving(30), rate=Fraction(30000, 1001))
    assert video.info(path).fps == pytest.approx(30000 / 1001, rel=1e-6)
