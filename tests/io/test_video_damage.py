"""Frames that are missing: in the middle and at the end, by one rule; sizes that change."""

import re
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from daflow_jax.errors import UserError
from daflow_jax.io import video
from daflow_jax.io.video import container, promise
from daflow_jax.io.video.clock import Clock
from daflow_jax.io.video.decode import Track, pixels
from daflow_jax.io.video.pace import Pace
from tests.io.videos import make, moving


def damage(path) -> tuple[list[video.Frame], list[video.Damage]]:
    """Returns the frames that decode and what is said about the others."""
    found: list[video.Damage] = []
    return list(video.timed(path, on_damage=found.append)), found


def without(path, target, dropped, broken=()):
    """Copies the packets of a video but those at `dropped`; those at `broken` become noise."""
    with av.open(str(path)) as source, av.open(str(target), "w") as sink:
        track = source.streams.video[0]
        copied = sink.add_stream_from_template(track)
        whole = [packet for packet in source.demux(track) if packet.size]
        for index, packet in enumerate(whole):
            if index in broken:
                stamps = packet.pts, packet.dts, packet.duration, packet.time_base
                packet = av.Packet(b"\xff" * packet.size)
                packet.pts, packet.dts, packet.duration, packet.time_base = stamps
            if index not in dropped:
                packet.stream = copied
                sink.mux(packet)
    return target


@pytest.mark.parametrize("name", ["a.mkv", "a.ts"])
def test_lost_blocks_are_a_gap(name, tmp_path):
    whole = make(tmp_path / f"whole{name[1:]}", moving(30), "mpeg4", coder={"g": "1"})
    path = without(whole, tmp_path / name, dropped={10, 11, 20})
    frames, found = damage(path)
    assert [frame.stamp.number for frame in frames if frame.stamp.missing] == [12, 21]
    assert [(d.after, d.missing, round(d.seconds, 2)) for d in found] == [
        (10, 2, 0.4),
        (20, 1, 0.8),
    ]
    with pytest.raises(
        UserError, match=r"a\.\w+: damaged video, 2 frames are missing after the first 10"
    ):
        list(video.frames(path))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_packet_that_does_not_decode_is_a_gap(name, tmp_path):
    whole = make(tmp_path / f"whole{name[1:]}", moving(20), "mjpeg", "yuvj420p")
    path = without(whole, tmp_path / name, set(), broken={7})
    frames, found = damage(path)
    assert [frame.stamp.number for frame in frames] == [*range(7), *range(8, 20)]
    assert [(d.after, d.missing, d.at_end) for d in found] == [(7, 1, False)]


def test_last_packet_that_does_not_decode_is_the_end(tmp_path):
    whole = make(tmp_path / "whole.mkv", moving(20), "mjpeg", "yuvj420p")
    frames, found = damage(without(whole, tmp_path / "a.mkv", set(), broken={19}))
    assert len(frames) == 19 and [(d.after, d.at_end) for d in found] == [(19, True)]


KINDS = {
    "a.mkv": ("libx264", "yuv420p", {}),
    "a.webm": ("libvpx", "yuv420p", {}),
    "a.gif": ("gif", "rgb8", {}),
    "a.avi": ("mpeg4", "yuv420p", {}),
    "a.ts": ("libx264", "yuv420p", {}),
    "a.mp4": ("libx264", "yuv420p", {"movflags": "faststart"}),
    "fragments.mp4": (
        "libx264",
        "yuv420p",
        {"movflags": "frag_keyframe+empty_moov", "frag_duration": "200000"},
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_whole_and_cut(name, tmp_path):
    codec, pixels, container = KINDS[name]
    path = make(tmp_path / name, moving(24), codec, pixels, rate=10, container=container)
    assert len(damage(path)[0]) == 24 and not damage(path)[1]
    data = path.read_bytes()
    for share in (0.55, 0.83):
        path.write_bytes(data[: int(share * len(data)) // 188 * 188 + 7])
        frames, found = damage(path)
        assert found and found[-1].at_end
        assert found[-1].after == (frames[-1].stamp.number + 1 if frames else 0)
        with pytest.raises(
            UserError, match=r"truncated video, (no|\d+) frames? .*after (the first )?\d+"
        ):
            list(video.frames(path))


def test_gif_without_its_trailer_is_truncated(tmp_path):
    path = make(tmp_path / "a.gif", moving(4), "gif", "rgb8", rate=10)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="truncated video, no frame after 4 "):
        list(video.frames(path))


def test_matroska_without_its_index_is_whole(tmp_path):
    path = make(tmp_path / "a.mkv", moving(12))
    path.write_bytes(path.read_bytes()[:-8])  # the list of positions stands at the end
    assert len(list(video.frames(path))) == 12


@pytest.mark.parametrize("even", [True, False])
def test_last_frame_may_stand_for_long_at_uneven_times(even, tmp_path):
    stamps = [Fraction(k if even else k * k, 25) for k in range(6)]
    path = make(tmp_path / "a.mkv", moving(6), times=stamps)
    data = re.sub(rb"00:00:0\d\.\d{9}", b"00:00:09.000000000", path.read_bytes())
    path.write_bytes(data)
    assert [found.at_end for found in damage(path)[1]] == ([True] if even else [])


@pytest.mark.parametrize("tag", ["ab:cd:01.2", "00:00:inf", "1", "99999999999:00:00"])
def test_duration_that_is_no_time_is_not_read(tag):
    assert promise.clock_time(tag) is None
    assert promise.clock_time("01:02:03.500000000") == 3723.5


def test_change_of_size_is_refused_with_its_frame(tmp_path):
    parts = [make(tmp_path / f"{k}.ts", moving(6, 64, 96 + 32 * k)) for k in range(2)]
    path = tmp_path / "a.mpg"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    rule = r"a.mpg: frame 6 is 128x64 but those before are 96x64; frames of one video share a size"
    with pytest.raises(UserError, match=rule):
        list(video.frames(path))


def test_noise_in_a_file_ends_in_one_line(tmp_path, capfd):
    rng = np.random.default_rng(0)
    for name in ("a.mkv", "a.mp4", "a.avi"):
        data = make(tmp_path / name, moving(12), "mpeg4").read_bytes()
        for _ in range(8):
            spoilt = bytearray(data)
            at = int(rng.integers(0, len(data) - 40))
            spoilt[at : at + 40] = rng.bytes(40)
            (tmp_path / name).write_bytes(spoilt)
            try:
                video.info(tmp_path / name)
                assert len(list(video.frames(tmp_path / name))) <= 12
            except UserError as error:
                assert name in str(error) and "\n" not in str(error)
    assert capfd.readouterr() == ("", "")


def test_frames_without_a_unit_of_time_take_the_track_s():
    pace = Pace(Fraction(25), Fraction(1, 25), True, True)
    clock = Clock(pace, Fraction(1, 1000))
    for pts in (40, 80):
        stamp = clock.stamp(SimpleNamespace(pts=pts, time_base=None, duration=None))
    assert stamp == (1, Fraction(80, 1000), Fraction(1, 25), 0)


def test_colours_of_unknown_kind_are_taken_for_the_usual(tmp_path):
    picture = av.VideoFrame.from_ndarray(moving(1)[0], format="rgb24").reformat(format="yuv420p")
    usual = picture.to_ndarray(format="rgb24")
    picture.colorspace, picture.color_range = 185, 7
    np.testing.assert_array_equal(pixels(picture, "rgb24", tmp_path), usual)


def test_track_that_appears_late_does_not_stop_reading(tmp_path, monkeypatch):
    path = make(tmp_path / "a.ts", moving(12), format="mpegts")
    with container.opened(path) as (source, track):
        late = SimpleNamespace(demux=lambda wanted: broken(source, wanted), format=source.format)
        assert len(list(Track(path, late, track).frames())) == 12

    def best(kind):
        raise IndexError("list index out of range")

    late = SimpleNamespace(streams=SimpleNamespace(best=best))
    assert container.best_track(late, "audio") is None


def broken(source, wanted):
    """Yields packets as PyAV does when a track appears that it has not listed."""
    yield from (packet for packet in source.demux(wanted) if packet.size)
    raise IndexError("list index out of range")
