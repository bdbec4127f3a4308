"""Interlaced video is found by its combs, whatever its flags say, and filled to whole frames."""

import av
import numpy as np
import pytest

from daflow_jax.errors import UserError
from daflow_jax.io import video
from daflow_jax.io.video import interlace
from daflow_jax.io.video.interlace import field_order
from tests.io.videos import make


def scene(time: float) -> np.ndarray:
    """Returns luma float (96, 128) of a texture that moves by two pixels a field."""
    y, x = np.mgrid[:96, :128]
    x = x + 2 * time
    return 128 + 50 * np.sin(x / 5) * np.cos(y / 7) + 50 * np.sin(x / 9 + y / 11)


def clip(kind: str, count: int = 14, noise: float = 0.0) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    film = [field // 2 * 2 for field in range(0, 2 * count + 8) for _ in range(2 + field % 2)]
    frames = []
    for k in range(count):
        times = {
            "progressive": (2 * k, 2 * k),
            "still": (0, 0),
            "tff": (2 * k, 2 * k + 1),
            "bff": (2 * k + 1, 2 * k),
            "film": (film[2 * k], film[2 * k + 1]),
        }[kind]
        frame = scene(times[0])
        frame[1::2] = scene(times[1])[1::2]
        frame = frame + noise * rng.standard_normal(frame.shape)
        frames.append(np.clip(frame, 0, 255).astype(np.uint8))
    return frames


@pytest.mark.parametrize("noise", [0.0, 10.0])
def test_combs_tell_the_order_of_fields(noise):
    assert field_order(clip("tff", noise=noise)) == "tff"
    assert field_order(clip("bff", noise=noise)) == "bff"
    assert field_order(clip("progressive", noise=noise)) is None
    assert field_order(clip("still", noise=noise)) is None


def test_film_shown_as_interlaced_video_is_found():
    assert field_order(clip("film", 20)) is not None


def test_stripes_cuts_and_noise_are_no_combs():
    rng = np.random.default_rng(0)
    stripes = np.where(np.arange(96)[:, None] % 2, 200, 40) * np.ones((1, 128))
    moving = [np.clip(stripes / 2 + scene(2 * k) / 2, 0, 255).astype(np.uint8) for k in range(14)]
    assert field_order(moving) is None
    assert field_order([stripes.astype(np.uint8)] * 14) is None
    assert field_order(rng.integers(0, 255, (14, 96, 128), np.uint8)) is None
    cuts = [frame if k % 4 < 2 else 255 - frame for k, frame in enumerate(clip("progressive"))]
    assert field_order(cuts) is None
    assert field_order([]) is None and field_order(clip("tff")[:1]) is None


@pytest.mark.parametrize("coder", [{}, {"flags": "+ildct+ilme"}])
def test_deinterlaced_frames_have_no_combs(coder, tmp_path):
    frames = [np.repeat(frame[..., None], 3, -1) for frame in clip("tff")]
    path = make(tmp_path / "a.mp4", frames, coder={**coder, "crf": "10"})
    assert video.info(path).interlaced
    plain, filled = list(video.timed(path)), list(video.timed(path, deinterlace=True))
    assert [frame.stamp for frame in plain] == [frame.stamp for frame in filled]
    for k in range(2, 12):
        truth = scene(2 * k)
        combed, whole = (np.abs(f[k].pixels[..., 1] - truth).mean() for f in (plain, filled))
        assert combed > 5 and whole < 2


def test_progressive_video_is_not_called_interlaced(tmp_path):
    frames = [np.repeat(frame[..., None], 3, -1) for frame in clip("progressive")]
    path = make(tmp_path / "a.mp4", frames, coder={"flags": "+ildct+ilme"})  # flags that lie
    assert not video.info(path).interlaced
    assert len(list(video.frames(path, deinterlace=True))) == 14
    one = make(tmp_path / "b.mp4", frames[:1])
    assert not video.info(one).interlaced
    assert len(list(video.frames(one, deinterlace=True))) == 1


def test_frames_that_the_filter_refuses_are_named(tmp_path, monkeypatch):
    frames = [np.repeat(frame[..., None], 3, -1) for frame in clip("tff", 4)]
    path = make(tmp_path / "a.mp4", frames)

    def refused(*arguments):
        raise av.error.InvalidDataError(22, "no such format")

    monkeypatch.setattr(interlace, "_graph", refused)
    with pytest.raises(UserError, match=r"a.mp4: cannot be deinterlaced \(.*no such format.*\)"):
        list(video.frames(path, deinterlace=True))
