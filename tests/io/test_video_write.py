"""Writing beside reading: threads that end, errors that arrive, sound that is kept."""

import os
import threading
import time
from types import SimpleNamespace

import av
import numpy as np
import pytest

from daflow_jax.errors import UserError
from daflow_jax.io import atomic, video
from daflow_jax.io.video.background import Worker
from tests.io.videos import make, moving, packets, with_sound


def quiet_threads(before: int) -> bool:
    for _ in range(100):
        if threading.active_count() <= before:
            return True
        time.sleep(0.02)
    return False


def test_prefetched_is_bounded_and_in_order():
    made = []

    def numbers():
        for k in range(20):
            made.append(k)
            yield k

    ahead = video.prefetched(numbers(), 3)
    assert next(ahead) == 0
    time.sleep(0.1)
    assert len(made) <= 1 + 3
    assert [0, *ahead] == list(range(20))


def test_prefetched_raises_where_the_item_would_come():
    def numbers():
        yield 1
        yield 2
        raise UserError("a.mp4", "broken")

    got = []
    with pytest.raises(UserError, match=r"a.mp4: broken"):
        for item in video.prefetched(numbers()):
            got.append(item)
    assert got == [1, 2]


def test_prefetched_stops_early_and_closes_the_video(tmp_path):
    before, closed = threading.active_count(), []

    def numbers():
        try:
            yield from range(1000)
        finally:
            closed.append(threading.current_thread())

    ahead = video.prefetched(numbers(), 2)
    next(ahead)
    ahead.close()
    assert closed and closed[0] is not threading.current_thread()
    decoded = video.prefetched(video.frames(make(tmp_path / "a.mp4", moving(12))))
    next(decoded)
    decoded.close()
    assert quiet_threads(before)


def test_worker_raises_its_first_error_and_drops_the_rest():
    done = []

    def work(item):
        if item == 2:
            raise UserError("a.mp4", "is full")
        done.append(item)

    worker = Worker(work, depth=1)
    with pytest.raises(UserError, match="is full"):
        for item in range(100):
            worker.put(item)
    worker.stop()
    assert done == [0, 1]


def test_failed_writing_ends_its_thread_and_leaves_nothing(tmp_path):
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="broke"):
        with video.Writer(tmp_path / "a.mp4", 24, (64, 96)) as writer:
            for frame in moving(30):
                writer.write(frame)
            raise RuntimeError("broke")
    assert not list(tmp_path.iterdir()) and quiet_threads(before)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "no_link", lambda path, flags: os.open("/dev/full", os.O_RDWR))
    with pytest.raises(UserError, match="a.mp4: cannot be written") as caught:
        with video.Writer(tmp_path / "a.mp4", 24, (64, 96), crf=1) as writer:
            for frame in moving(40):
                writer.write(frame)
    assert caught.value.code == 3 and not list(tmp_path.iterdir())


def test_a_link_at_the_temporary_name_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    made = atomic._new_file

    def swapped(path):
        part = made(path)
        part.unlink()
        part.symlink_to(victim)
        return part

    monkeypatch.setattr(atomic, "_new_file", swapped)
    with pytest.raises(UserError, match="a.mp4: cannot be written"):
        video.Writer(tmp_path / "a.mp4", 24, (64, 96))
    assert victim.read_bytes() == b"precious"


def test_frames_may_change_after_they_are_written(tmp_path):
    frame = np.zeros((64, 96, 3), np.uint8)
    with video.Writer(tmp_path / "a.mp4", 24, (64, 96), crf=1) as writer:
        for k in range(12):
            frame[:] = 20 * k
            writer.write(frame)
    means = [one.mean() for one in video.frames(tmp_path / "a.mp4")]
    np.testing.assert_allclose(means, 20 * np.arange(12), atol=3)


def rewritten(source, target, timed: bool = True):
    """Copies a video with its sound; returns the note of the writer."""
    header = video.info(source)
    with video.Writer(target, header.fps, (64, 96), audio_of=source) as writer:
        for pixels, stamp in video.timed(source):
            writer.write(pixels, *((stamp.time, stamp.duration) if timed else ()))
    return writer.note


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("delay", [0.0, 0.52])
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_sound_is_copied_in_time_with_the_pictures(name, delay, timed, tmp_path):
    source = with_sound(tmp_path / name, moving(12), delay)
    assert rewritten(source, tmp_path / "b.mp4", timed) is None
    sound, copied = packets(source, "audio"), packets(tmp_path / "b.mp4", "audio")
    assert len(sound) > 5 and [size for _, size in copied] == [size for _, size in sound]
    first, start = (next(video.timed(path)).stamp.time for path in (source, tmp_path / "b.mp4"))
    apart, kept = sound[0][0] - first, copied[0][0] - start
    assert abs(apart - kept) < 0.002
    assert len(list(video.frames(tmp_path / "b.mp4"))) == 12


def test_sound_that_does_not_fit_is_left_out_with_a_note(tmp_path):
    source = with_sound(tmp_path / "a.mkv", moving(6), codec="wavpack")
    note = rewritten(source, tmp_path / "b.mp4")
    assert "sound (wavpack) does not fit into mp4; left out" in note
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert not container.streams.audio


def test_video_without_sound_gives_none(tmp_path):
    source = make(tmp_path / "a.mp4", moving(6))
    assert rewritten(source, tmp_path / "b.mp4") is None
    assert len(list(video.frames(tmp_path / "b.mp4"))) == 6


def test_source_of_sound_that_is_no_video_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="c.mp4: not found"):
        video.Writer(tmp_path / "out/a.mp4", 24, (64, 96), audio_of=tmp_path / "c.mp4")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("fault", ["back", "pause", "duration", "refused"])
def test_damaged_sound_does_not_cost_the_pictures(fault, tmp_path, monkeypatch):
    from daflow_jax.io.video import audio

    source = with_sound(tmp_path / "a.mkv", moving(12))
    read = audio.Sound._read

    def spoilt(self, *tracks):
        for index, packet in enumerate(read(self, *tracks)):
            if index == 4 and fault in ("back", "pause"):
                packet.pts += {"back": -100, "pause": 10**9}[fault]
            if index == 4 and fault == "duration":
                packet.duration = 2**31 - 1
            yield packet

    def refused(packet):
        raise av.error.InvalidDataError(22, "no sound")

    monkeypatch.setattr(audio.Sound, "_read", spoilt)
    if fault == "refused":
        output = SimpleNamespace(mux=refused)
        monkeypatch.setattr(
            audio.Sound,
            "_output",
            property(lambda self: self.real, output_of(output)),
            raising=False,
        )
    note = rewritten(source, tmp_path / "b.mp4")
    assert len(list(video.frames(tmp_path / "b.mp4"))) == 12
    if fault == "refused":
        assert "a.mkv: sound is damaged and ends early" in note
    else:
        assert note is None and len(packets(tmp_path / "b.mp4", "audio")) > 3


def output_of(broken):
    """Returns a setter that keeps an output with another `mux`."""

    def keep(self, output):
        broken.add_stream_from_template = output.add_stream_from_template
        broken.supported_codecs, broken.format = output.supported_codecs, output.format
        self.real = broken

    return keep


def test_frames_that_the_encoder_cannot_take_are_bad_input(tmp_path):
    with pytest.raises(UserError, match="frames of 32832x48 are larger than H.264") as refusal:
        video.Writer(tmp_path / "a.mp4", 25, (48, 32832))
    assert refusal.value.code == 2 and not list(tmp_path.iterdir())
