"""Protocols of restoration: degradations, scores, means, tests, and what they refuse."""

import json

import numpy as np
import pytest

from daflow_jax import errors, evaluate
from daflow_jax.degrade import published_noise, recognise
from daflow_jax.evaluate import paired, protocol_clips, protocols, published_scores
from daflow_jax.io import image
from daflow_jax.metrics import quality


def clips(count=2, frames=7, size=(48, 56), seed=0):
    """Returns {name: frames of a smooth texture that moves}."""
    rng = np.random.default_rng(seed)
    height, width = size
    out = {}
    for number in range(count):
        blocks = rng.integers(40, 216, (height // 4, width // 4, 3)).astype(np.uint8)
        whole = blocks.repeat(4, 0).repeat(4, 1)
        out[f"c{number}"] = np.stack([np.roll(whole, t, 1) for t in range(frames)])
    return out


def same(frames):
    return frames


def repeated(frames):
    return frames.repeat(4, 1).repeat(4, 2)


def test_noise_is_the_published_draw_and_reaches_the_method_unclipped():
    seen, data = [], clips(1)

    def method(frames):
        seen.append(frames)
        return frames

    results = evaluate.run_protocol(data, {"mine": method}, "davis")
    assert list(results.scores) == [f"sigma {s}" for s in (10, 20, 30, 40, 50)]
    clean = data["c0"]
    wanted = clean / 255 + published_noise.of_clip(clean.shape, 50)
    np.testing.assert_allclose(seen[-1], wanted, atol=1e-6)
    assert seen[-1].min() < 0 or seen[-1].max() > 1
    own = results.scores["sigma 50"]["mine"]
    stored = np.rint(255 * np.clip(wanted, 0, 1)).astype(np.uint8)
    psnr = np.mean([quality.psnr(*pair) for pair in zip(stored, clean, strict=True)])
    assert own["psnr"] == pytest.approx(psnr, abs=1e-9)
    assert results.tests["sigma 50"]["degraded"]["mean"] == 0


def test_means_are_over_clips_or_over_frames():
    data = clips(1, frames=3) | {"long": clips(1, frames=9, seed=1)["c0"]}
    shift = {len(x): k for k, x in zip((2, 20), data.values(), strict=True)}

    def method(frames):
        return np.clip(frames.astype(int) + shift[len(frames)], 0, 255).astype(np.uint8)

    pairs = {name: (x, x) for name, x in data.items()}
    results = evaluate.run_protocol(pairs, {"mine": method}, "dvd")
    own = results.scores["given"]["mine"]
    a, b = (clip["psnr"] for clip in own["clips"].values())
    assert own["psnr"] == pytest.approx((3 * a + 9 * b) / 12)  # over all frames
    two_level = protocols.Protocol("mine", "", "given")
    results = evaluate.run_protocol(pairs, {"mine": method}, two_level)
    assert results.scores["given"]["mine"]["psnr"] == pytest.approx((a + b) / 2)


def test_the_middle_frame_in_y_and_the_papers_numbers(tmp_path):
    results = evaluate.run_protocol(clips(), {"mine": repeated}, "vimeo-bi")
    assert {row["frame"] for row in results.rows} == {3}
    table = results.table()
    assert "| JFFRA (paper) | 39.32 | 0.9561 | - | - |" in table and "Y of BT.601" in table
    record = results.save(tmp_path)
    assert json.loads((tmp_path / "results.json").read_text())["paper"] == record["paper"]
    rows = (tmp_path / "per_frame.jsonl").read_text().splitlines()
    assert len(rows) == len(results.rows) == 4


def test_flicker_of_frames_that_blink():
    def blinking(frames):
        out = frames.copy()
        out[::2] = np.minimum(out[::2].astype(int) + 12, 255)
        return out

    def moved(pair):
        return np.broadcast_to(np.float32([-1, 0]), (*pair.shape[1:3], 2))

    data = {name: (x, x) for name, x in clips(1).items()}
    results = evaluate.run_protocol(data, {"mine": blinking, "as is": same}, "dvd", flow=moved)
    own = results.scores["given"]
    assert own["as is"]["opw"] < 0.2 and 8 < own["mine"]["opw"] < 14


@pytest.mark.parametrize("made", ["bi", "bd", "duf"])
def test_small_frames_of_another_degradation_are_refused(made):
    clean = clips(1)["c0"][:3]
    small = np.round(255 * recognise.KINDS[made](clean / 255.0).clip(0, 1)).astype(np.uint8)
    for kind in ("bi", "bd"):
        given = {"calendar": (clean, small)}
        if kind == made:
            evaluate.run_protocol(given, {"mine": repeated}, f"vid4-{kind}")
            continue
        with pytest.raises(errors.UserError, match="calendar: the small frames are") as caught:
            evaluate.run_protocol(given, {"mine": repeated}, f"vid4-{kind}")
        assert ("shifted by 1.5 px" in str(caught.value)) == (made == "duf")


def test_a_ramp_shows_the_shift_of_duf():
    ramp = np.tile(np.arange(96, dtype=np.float64)[None, :, None], (96, 1, 3)) / 255
    middle = {name: make(ramp)[12, 12, 0] * 255 for name, make in recognise.KINDS.items()}
    assert middle["bi"] == pytest.approx(middle["bd"]) == pytest.approx(4 * 12 + 1.5)
    assert middle["duf"] == pytest.approx(4 * 12)


@pytest.mark.parametrize(
    "given, protocol, message",
    [
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)], "davis", "several sizes"),
        (np.zeros((3, 16, 16, 3), np.float32), "davis", "float32"),
        (np.zeros((3, 16, 16, 3), np.uint8), "dvd", "needs degraded ones beside them"),
        (
            (np.zeros((3, 16, 16, 3), np.uint8), np.zeros((3, 8, 8, 3), np.uint8)),
            "reds4",
            "Clean frames are 4 times as large",
        ),
    ],
)
def test_data_that_do_not_fit_are_refused(given, protocol, message):
    with pytest.raises(errors.UserError, match=message):
        evaluate.run_protocol({"clip": given}, {"mine": same}, protocol)


def test_an_unknown_protocol_and_results_of_another_size_are_refused():
    with pytest.raises(errors.UserError, match="Did you mean davis"):
        evaluate.run_protocol(clips(1), {"mine": same}, "davi")
    with pytest.raises(errors.UserError, match="method mine: returned"):
        evaluate.run_protocol(clips(1), {"mine": same}, "reds4")


def test_sixteen_bits_and_grey_are_read():
    frames = clips(1)["c0"]
    deep = frames.astype(np.uint16) << 8
    grey = frames[..., 0]
    a = protocol_clips.prepared(
        "a", protocol_clips.Arrays(deep, None), protocols.get("reds4"), "bi"
    )
    np.testing.assert_array_equal(a[0], frames)
    assert protocol_clips.as_frames("grey", grey).shape == frames.shape


def test_a_folder_of_a_layout_is_read(tmp_path):
    for name, frames in clips(2, frames=3).items():
        for t, frame in enumerate(frames):
            image.write_image(tmp_path / f"JPEGImages/480p/{name}/{t:05d}.png", frame)
    lists = tmp_path / "ImageSets/2017"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("c0\n")
    (lists / "test-dev.txt").write_text("c1\n")
    results = evaluate.run_protocol(tmp_path, {"mine": same}, "davis")
    assert {row["name"] for row in results.rows} == {"c1"}


def test_paired_tests():
    names = [f"c{i}" for i in range(10)]
    first, noise = np.linspace(20, 30, 10), np.tile([0.1, -0.1], 5)
    better = paired.compare(first + 0.5 + noise, first, names)
    assert better["mean"] == pytest.approx(0.5) and better["p"] == pytest.approx(2 / 1024)
    assert better["interval"][0] > 0.4
    assert paired.compare(first + noise, first, names)["p"] > 0.5
    assert paired.compare([1.0], [0.0], ["c"])["p"] is None


def test_every_protocol_has_a_layout_and_a_source():
    from daflow_jax import datasets

    for protocol in protocols.PROTOCOLS.values():
        assert protocol.layout.partition(":")[0] in datasets.LAYOUTS and protocol.source
        if protocol.name != "crvd":  # its table is lost
            assert set(published_scores.scores(protocol.name)) == set(protocol.conditions)
