"""Time stamps of videos: late and uneven ones are kept, impossible ones are not believed."""

from fractions import Fraction

import av
import numpy as np
import pytest

from daflow_jax.io import video
from tests.io.videos import make, moving, with_sound

UNEVEN = [Fraction(k, 1000) for k in (0, 33, 66, 166, 200, 216, 316, 500, 533, 600)]


def times(path):
    return [frame.stamp.time for frame in video.timed(path)]


def copy(source, target):
    header = video.info(source)
    with video.Writer(target, header.fps, (header.height, header.width)) as writer:
        for pixels, stamp in video.timed(source):
            writer.write(pixels, stamp.time, stamp.duration)
    return target


@pytest.mark.parametrize("late", [Fraction(11, 10), Fraction(5), Fraction(1, 2)])
def test_matroska_that_begins_late_is_whole(late, tmp_path):
    stamps = [late + Fraction(k, 25) for k in range(6)]
    path = make(tmp_path / "a.mkv", moving(6), times=stamps)
    assert times(path) == stamps
    assert video.info(path) == video.Info(6, 64, 96, 25.0)


def test_pictures_that_begin_after_the_sound_are_whole(tmp_path):
    path = with_sound(tmp_path / "a.mkv", moving(6), delay=2.52)
    assert times(path)[0] == Fraction(252, 100) and len(times(path)) == 6


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.mp4"])
def test_uneven_times_return(name, tmp_path):
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    path = make(tmp_path / name, moving(10), codec, times=UNEVEN)
    header = video.info(path)
    assert header.frames == 10 and not header.constant
    assert header.fps == pytest.approx(9 / 0.6, rel=0.15)
    assert times(path) == UNEVEN
    assert [frame.stamp.number for frame in video.timed(path)] == list(range(10))


def test_uneven_times_are_written(tmp_path):
    source = make(tmp_path / "a.mkv", moving(10), times=[1 + time for time in UNEVEN])
    target = copy(source, tmp_path / "b.mp4")
    assert times(target) == UNEVEN  # the first frame is shown at once
    with av.open(str(target)) as container:
        track = container.streams.video[0]
        assert 0.6 < float(track.duration * track.time_base) < 0.75
    assert len(list(video.frames(target))) == 10


def test_even_times_are_written_exactly(tmp_path):
    source = make(tmp_path / "a.mp4", moving(8), rate=Fraction(30000, 1001))
    target = copy(source, tmp_path / "b.mp4")
    assert times(target) == [k * Fraction(1001, 30000) for k in range(8)]
    assert video.info(target).fps == video.info(source).fps


def test_times_that_do_not_increase_are_refused(tmp_path):
    with video.Writer(tmp_path / "a.mp4", 25, (64, 96)) as writer:
        writer.write(moving(1)[0], 0.5)
        with pytest.raises(ValueError, match="does not follow 0.5 s"):
            writer.write(moving(1)[0], 0.5)
        with pytest.raises(ValueError, match="for all frames of a video or for none"):
            writer.write(moving(1)[0])


def test_impossible_rate_is_not_believed(tmp_path):
    path = make(tmp_path / "a.avi", moving(4), "mjpeg", "yuvj420p", rate=1_000_000)
    header = video.info(path)
    assert header.fps == 25 and "not believed; 25 are taken" in header.notes[0]
    assert times(path) == [Fraction(k, 25) for k in range(4)]


def test_skipped_beginning_of_an_edit_list_is_no_damage(tmp_path):
    whole = make(tmp_path / "whole.mp4", moving(12))
    path = tmp_path / "cut.mp4"
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        track = source.streams.video[0]
        copied = target.add_stream_from_template(track)
        for packet in source.demux(track):
            if packet.size:
                shift = round(4 / 25 / track.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copied
                target.mux(packet)
    assert len(list(video.frames(path))) == 8 == video.info(path).frames


def test_recordings_behind_each_other_keep_time_growing(tmp_path):
    path = make(tmp_path / "a.ts", moving(6), format="mpegts")
    path.write_bytes(2 * path.read_bytes())
    stamps = times(path)
    assert len(stamps) == 12 and min(np.diff([float(time) for time in stamps])) > 0


def test_times_wait_for_frames_that_come_out_later(tmp_path):
    source = make(tmp_path / "a.mkv", moving(10), times=UNEVEN)
    pixels, stamps = video.split(video.prefetched(video.timed(source)))
    late = iter(list(pixels))  # all frames go in before the first comes out
    with video.Writer(tmp_path / "b.mp4", 25, (64, 96)) as writer:
        for frame, stamp in zip(late, stamps, strict=True):
            writer.write(frame, stamp.time, stamp.duration)
    assert times(tmp_path / "b.mp4") == UNEVEN


def test_runs_end_where_frames_are_missing():
    missing = [0, 0, 2, 0, 1, 0]
    clip = [
        video.Frame(np.zeros(1), video.Stamp(k, Fraction(k), Fraction(1), gap))
        for k, gap in enumerate(missing)
    ]
    assert [[f.stamp.number for f in run] for run in video.runs(clip)] == [[0, 1], [2, 3], [4, 5]]
    assert [list(run) for run in video.runs(clip[:1])] == [clip[:1]]
    assert not list(video.runs([]))
