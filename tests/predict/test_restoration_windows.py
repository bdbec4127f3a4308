"""Windows and tiles of restorers: every frame and pixel once, and results that do not depend on
how a clip was cut."""

import numpy as np
import pytest

from daflow_jax import errors, predict
from daflow_jax.predict import memory
from daflow_jax.predict.restoration import tiles, windows
from tests import larger, tiny

CLIP = np.random.default_rng(0).random((7, 4, 5, 3), np.float32)


def _used(cut):
    return np.concatenate([window.frames[window.used] for window in cut])


@pytest.mark.parametrize(
    "length, context", [(1, 0), (3, 0), (9, 0), (3, 1), (5, 1), (6, 2), (20, 1)]
)
def test_sliding_windows_take_every_frame_once(length, context):
    cut = list(windows.sliding(CLIP, length, context))
    np.testing.assert_array_equal(_used(cut), CLIP)
    for window in cut[1:-1]:
        first, stop, _ = window.used.indices(len(window.frames))
        assert first >= context and stop <= len(window.frames) - context


@pytest.mark.parametrize("length, ahead", [(1, 0), (2, 1), (3, 3), (7, 2), (None, 5), (20, 0)])
def test_windows_of_a_recurrent_network_go_on_where_the_last_ended(length, ahead):
    cut = list(windows.onwards(CLIP, length, ahead))
    np.testing.assert_array_equal(_used(cut), CLIP)
    assert len({len(window.frames) for window in cut}) == 1
    done = 0
    for window in cut:
        seen = min(7 - done, len(window.frames))
        np.testing.assert_array_equal(window.frames[: window.exist], CLIP[done : done + seen])
        assert window.exist == seen
        done += window.used.stop


def test_no_frame_is_no_window():
    assert not list(windows.sliding((), 2)) and not list(windows.onwards((), 2, 1))


@pytest.mark.parametrize("size, tile, reach", [((50, 70), (30, 30), 4), ((64, 20), (32, 32), 8)])
def test_tiles_keep_every_pixel_once(size, tile, reach):
    cut, count = tiles.cut(size, tile, reach), np.zeros(size, int)
    for one in cut:
        rows, columns = one.seen
        assert rows.stop - rows.start == min(tile[0], size[0])
        count[one.place(1)] += 1
        for span, length in ((one.rows, size[0]), (one.columns, size[1])):
            assert span.kept_from - span.start >= reach or span.start == span.kept_from == 0
            assert span.stop - span.kept_to >= reach or span.stop == span.kept_to == length
    assert (count == 1).all()


@pytest.fixture(scope="module")
def rrdb():
    return larger.model("rrdb-nano")


@pytest.fixture(scope="module")
def basicvsr():
    return larger.model("basicvsr-nano")


def test_tiles_give_what_a_whole_frame_gives(rrdb):
    frames = tiny.frames(1, 40, 130)
    whole = rrdb(frames, tile="off")
    assert whole.shape == (1, 160, 520, 3) and whole.std() > 0.01
    np.testing.assert_allclose(rrdb(frames, tile=(96, 96)), whole, atol=1e-4)
    (levels,) = rrdb.stream(frames, tile=(96, 96), levels=True)
    assert levels.dtype == np.uint8
    np.testing.assert_allclose(levels / 255, whole[0], atol=0.51 / 255 + 1e-4)


def test_a_recurrent_network_in_windows(basicvsr):
    frames = tiny.frames(5, 33, 40)
    whole = basicvsr(frames, window="all")
    assert whole.shape == (5, 132, 160, 3)
    np.testing.assert_allclose(basicvsr(frames, window=5), whole, atol=1e-6)
    np.testing.assert_allclose(basicvsr(frames, window=2, ahead=3), whole, atol=1e-5)
    blind = basicvsr(frames, window=2, ahead=0)
    np.testing.assert_allclose(blind[4], whole[4], atol=1e-5)  # the past is never lost
    assert np.abs(blind[1] - whole[1]).max() > 1e-4


def test_tiles_are_taken_where_memory_is_short(rrdb, monkeypatch):
    frames = tiny.frames(1, 40, 140)
    whole, seen = rrdb(frames, tile="off"), []
    needs = memory.check

    def check(need, device, what):
        seen.append(what)
        if "40x140" in what:
            raise memory.OutOfMemory(f"{what} needs 9.0 GB, 1.0 GB is free")
        needs(need, device, what)

    monkeypatch.setattr(memory, "check", check)
    monkeypatch.setattr("daflow_jax.predict.program._shared", {})  # nothing is compiled
    again = predict.RestorationModel(rrdb.config, rrdb.variables)
    np.testing.assert_allclose(again(frames), whole, atol=1e-4)
    assert seen == ["40x140, 1 frame", "40x128, 1 frame"]
    with pytest.raises(errors.UserError) as refusal:
        predict.RestorationModel(rrdb.config, rrdb.variables)(frames, tile="off")
    assert refusal.value.code == 2
    text = "frames: 140x40 become 560x160, and 40x140, 1 frame needs 9.0 GB, 1.0 GB is free."
    assert text in str(refusal.value) and "--tile auto" in str(refusal.value)


def test_what_does_not_go_together_is_refused(rrdb, basicvsr, monkeypatch):
    frames = tiny.frames(2, 40, 40)
    refusals = [
        (rrdb, dict(ahead=2), "ahead: is not read: rrdb-nano is not recurrent"),
        (basicvsr, dict(ahead=-1), "ahead -1: must be 0 or more"),
        (rrdb, dict(window="most"), "window most: must be 1 or more"),
        (rrdb, dict(tile=(64, 96)), "--tile: 64x96 is below 80, as 32 pixels on each side are not"),
        (rrdb, dict(tile=(96, 96), color_fix="adain"), "--color-fix: needs whole frames"),
    ]
    for model, options, text in refusals:
        with pytest.raises(errors.UserError) as refusal:
            model(frames, **options)
        assert text in str(refusal.value) and refusal.value.code == 2
    rrdb(frames)
    monkeypatch.setattr(memory, "host_available", lambda: 1000)
    with pytest.raises(errors.UserError, match=r"2 of 160x160 take 1 MB, 1 MB is free. Use `str"):
        rrdb(frames)
