"""Video: what is written returns, at constant memory; what is cut off is said."""

import av
import numpy as np
import pytest

from daflow_jax.errors import UserError
from daflow_jax.io import video


def moving(count: int, height: int, width: int):
    y, x = np.mgrid[:height, :width]
    for k in range(count):
        level = 128 + 60 * np.sin((x + 2 * k) / 8) * np.cos(y / 8)
        yield np.repeat(level[..., None], 3, -1).astype(np.uint8)


def write(path, count=12, height=64, width=96):
    with video.Writer(path, 24, (height, width)) as writer:
        for frame in moving(count, height, width):
            writer.write(frame)
    return path


@pytest.mark.parametrize(("height", "width"), [(64, 96), (33, 47)])
def test_frames_return_in_order(height, width, tmp_path):
    path = write(tmp_path / "a.mp4", 12, height, width)
    even = (height + height % 2, width + width % 2)
    assert video.info(path) == video.Info(12, *even, 24.0)
    got = list(video.frames(path))
    assert len(got) == 12 and got[0].shape == (*even, 3) and got[0].dtype == np.uint8
    for frame, expected in zip(got, moving(12, height, width), strict=True):
        error = frame[:height, :width].astype(float) - expected
        assert np.sqrt((error**2).mean()) < 3
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_frames_come_one_at_a_time(tmp_path):
    iterator = video.frames(write(tmp_path / "a.mp4"))
    assert next(iterator).shape == (64, 96, 3)
    iterator.close()


def test_complete_videos_of_other_containers_are_not_called_truncated(tmp_path):
    for name in ("a.avi", "a.mkv", "a.mov"):
        assert len(list(video.frames(write(tmp_path / name)))) == 12
    packed = tmp_path / "a.gif"
    with av.open(str(packed), "w") as container:
        stream = container.add_stream("gif", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "rgb8"
        for frame in moving(5, 64, 96):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    assert len(list(video.frames(packed))) == 5


def test_truncated_mp4_with_its_index_in_front_names_the_frame(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        for frame in moving(60, 128, 160):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"a.mp4: truncated video, no frame after \d+ of 60"):
        list(video.frames(path))


@pytest.mark.parametrize("extension", ["avi", "mkv"])
def test_truncated_video_names_the_frame(extension, tmp_path):
    path = write(tmp_path / f"a.{extension}", 100, 128, 160)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match=r"truncated video, no frame after \d+.*Copy it again"):
        list(video.frames(path))


def test_unreadable_video_is_refused(tmp_path):
    path = write(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:1000])  # an .mp4 keeps its index at the end
    with pytest.raises(UserError, match="a.mp4: not a readable video. Is it complete"):
        video.info(path)
    with pytest.raises(UserError, match="b.mp4: not found"):
        next(video.frames(tmp_path / "b.mp4"))


def test_failed_writing_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="this video takes uint8"):
        with video.Writer(tmp_path / "a.mp4", 24, (64, 96)) as writer:
            writer.write(np.zeros((32, 96, 3), np.uint8))
    with pytest.raises(RuntimeError, match="broke"):
        with video.Writer(tmp_path / "a.mp4", 24, (64, 96)) as writer:
            raise RuntimeError("broke")
    assert not list(tmp_path.iterdir())


def test_video_in_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be written") as caught:
        video.Writer(tmp_path / "file/a.mp4", 24, (64, 96))
    assert caught.value.code == 2
