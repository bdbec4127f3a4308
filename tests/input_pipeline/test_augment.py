"""RAFT's augmentation against arrays of the published code, whose random calls are replayed."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from daflow_jax.input_pipeline import augment
from daflow_jax.input_pipeline.augment import color, eraser, resize, spatial

GOLDEN = Path(__file__).parents[1] / "golden/augment"
CROP = (36, 48)


class Replay(np.random.Generator):
    """Gives the logged values, and checks that exactly the logged calls are made."""

    def __new__(cls, *_):
        return super().__new__(cls, np.random.PCG64(0))

    def __init__(self, golden, name):
        super().__init__(np.random.PCG64(0))
        kinds, args = golden[f"{name}_log_kind"], golden[f"{name}_log_args"]
        self.calls = list(zip(kinds, args, strict=True))

    def _next(self, kind, low, high):
        expected, (first, last, value) = self.calls.pop(0)
        assert (kind, low, high) == (expected, pytest.approx(first), pytest.approx(last))
        return value

    def uniform(self, low, high):
        return self._next("uniform", low, high)

    def random(self):
        return self._next("rand", 0, 1)

    def integers(self, low, high):
        return int(self._next("randint", low, high))


@pytest.fixture(scope="module", params=["a", "b"])
def golden(request):
    return dict(np.load(GOLDEN / f"augment_{request.param}.npz"))


def clip_of(golden, valid=None):
    flow = golden["flow"].astype(np.float32)[None] / 64
    valid = np.ones(flow.shape[:3], bool) if valid is None else valid[None] >= 1
    frames = np.stack([golden["image1"], golden["image2"]])
    return {"hq": frames, "flow": flow, "valid": valid}


def assert_close_pictures(got, expected):
    assert got.dtype == np.uint8 and got.shape == expected.shape
    assert np.abs(got.astype(int) - expected).max() <= 1


def test_resize_is_opencvs_by_given_factors(golden):
    clip = clip_of(golden)
    for k in (0, 1):
        factors = tuple(golden[f"resize{k}_fxfy"])
        image = resize.linear(golden["image1"], *factors)
        assert_close_pictures(image, golden[f"resize{k}_image"])
        flow, valid = resize.flow(clip["flow"][0], clip["valid"][0], *factors)
        np.testing.assert_allclose(flow, golden[f"resize{k}_flow"], rtol=1e-5, atol=1e-5)
        assert valid.all() and valid.shape == image.shape[:2]
        labels = np.repeat(golden["image1"][..., 0].astype(np.int32), 1, 0)
        assert resize.nearest(labels, *factors).shape == image.shape[:2]


DENSE = (
    {},
    {"mirror_share": 1.0, "upside_down_share": 1.0},
    {"resize_share": 0.0},
)


@pytest.mark.parametrize("k", range(3))
def test_dense_form_makes_the_published_pairs(golden, k):
    rng = Replay(golden, f"dense{k}")
    drawn = spatial.draw_dense(spatial.Dense(**DENSE[k]), (56, 72), CROP, rng)
    assert not rng.calls
    out = spatial.apply(drawn, clip_of(golden))
    for frame in (0, 1):
        assert_close_pictures(out["hq"][frame], golden[f"dense{k}_image{frame + 1}"])
    np.testing.assert_allclose(out["flow"][0], golden[f"dense{k}_flow"], rtol=1e-5, atol=1e-5)
    assert out["valid"].all()


@pytest.mark.parametrize("k", range(2))
def test_sparse_form_moves_known_pixels(golden, k):
    valid = golden["valid"]
    clip = clip_of(golden, valid)
    flow, known = clip["flow"][0], clip["valid"][0]
    got = resize.scatter(flow, known, known, *golden[f"sparse_resize{k}_fxfy"])
    np.testing.assert_allclose(got[0], golden[f"sparse_resize{k}_flow"], rtol=1e-5)
    np.testing.assert_array_equal(got[1], golden[f"sparse_resize{k}_valid"] >= 1)
    np.testing.assert_array_equal(got[2], got[1])
    rng = Replay(golden, f"sparse{k}")
    share = {} if k == 0 else {"resize_share": 1.0}
    settings = spatial.Sparse(-0.3, 0.5, **share)
    drawn = spatial.draw_sparse(settings, (56, 72), CROP, rng)
    assert not rng.calls
    out = spatial.apply(drawn, clip)
    assert_close_pictures(out["hq"][0], golden[f"sparse{k}_image1"])
    np.testing.assert_array_equal(out["valid"][0], golden[f"sparse{k}_valid"] >= 1)
    expected = golden[f"sparse{k}_flow"] * (golden[f"sparse{k}_valid"][..., None] >= 1)
    np.testing.assert_allclose(out["flow"][0], expected, rtol=1e-5)


def test_erased_boxes_hold_the_mean_colour(golden):
    rng = Replay(golden, "erase")
    boxes = eraser.draw(eraser.Boxes(1.0, 15, 30), (56, 72), rng)
    assert not rng.calls
    np.testing.assert_array_equal(eraser.apply(boxes, golden["image2"]), golden["erase_image2"])


def test_colours_are_pils(golden):
    image = golden["image1"]
    for change in (color.brightness, color.contrast, color.saturation, color.hue):
        name = change.__name__
        for factor, expected in zip(golden[f"{name}_factors"], golden[f"{name}_out"], strict=True):
            difference = np.abs(change(image, factor)[:28].astype(int) - expected)
            assert difference.max() <= (6 if name == "hue" else 0)
            assert (difference == 0).mean() >= 0.99
    jitter = color.Jitter((0, 1, 2, 3), tuple(golden["color_chain_order_b_c_s_h"]))
    chained = color.apply((jitter,), image[None])[0].astype(int)
    difference = np.abs(chained - golden["color_chain_out"])
    assert difference.max() <= 6 and (difference == 0).mean() >= 0.99


def _moving_clip(frames=3, height=60, width=80):
    """A smooth picture that moves by (3, -2) pixels a frame, with labels and both flows."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = [
        np.stack([np.sin((x - 3 * k) / 9 + c) + np.cos((y + 2 * k) / 7 - c) for c in range(3)], -1)
        for k in range(frames)
    ]
    pairs = (frames - 1, height, width)
    flow = np.tile(np.float32([3, -2]), (*pairs, 1))
    masks = {f"{name}{s}": np.ones(pairs, bool) for name in ("valid",) for s in ("", "_back")}
    hidden = np.broadcast_to(x[None] >= width // 2, pairs)
    return {
        "hq": np.uint8(np.stack(waves) * 50 + 128),
        "flow": flow, "flow_back": -flow, "occlusion": hidden, **masks,
        "classes": np.tile((x >= width // 2).astype(np.int32), (frames, 1, 1)),
    }  # fmt: skip


@pytest.mark.parametrize("form", [augment.Dense, augment.Sparse])
def test_flow_still_explains_all_frames_of_a_longer_clip(form):
    """After any transform, frame k+1 at x + flow(x) shows frame k at x, both ways."""
    settings = form(colors=color.Colors(0.0, 0.0, 0.0, 0.0), boxes=eraser.Boxes(share=0.0))
    clip, flipped = _moving_clip(), set()
    for seed in range(12):
        drawn = augment.draw(settings, (3, 60, 80), (40, 48), np.random.default_rng(seed))
        flipped.add((drawn.spatial.mirror, drawn.spatial.upside_down))
        out = augment.apply(drawn, clip)
        assert out["hq"].shape == (3, 40, 48, 3)
        np.testing.assert_array_equal(out["occlusion"] & out["valid"], out["occlusion"])
        for pair in range(2):
            for first, second, suffix in ((pair, pair + 1, ""), (pair + 1, pair, "_back")):
                flow, valid = out[f"flow{suffix}"][pair], out[f"valid{suffix}"][pair]
                y, x = np.nonzero(valid)
                assert len(y) > 200
                to = np.rint(np.stack([y, x], 1) + flow[y, x][:, ::-1]).astype(int)
                inside = ((to >= 0) & (to < (40, 48))).all(1)
                a = out["hq"][first][y, x][inside].astype(int)
                b = out["hq"][second][tuple(to[inside].T)]
                assert np.abs(a - b).mean() < 5
        agree = out["classes"][0] == out["occlusion"][0]
        assert agree[out["valid"][0]].mean() > 0.97
    assert len(flipped) > 1


def test_unknown_flow_never_becomes_valid():
    clip = _moving_clip(2)
    clip["flow"] = clip["flow"].copy()
    clip["flow"][0, :20] = np.nan
    clip["flow"][0, 20:25] = 1e10
    clip["flow"][0, 25:27] = 1500
    clip["valid"][0, :, :10] = False
    for factors in ((1.0, 1.0), (1.5, 1.25)):
        drawn = spatial.Spatial((75, 120), 0, 0, factors)
        out = spatial.apply(drawn, clip)
        assert np.isfinite(out["flow"]).all() and (out["flow"][~out["valid"]] == 0).all()
        expected = np.float32([3, -2]) * factors
        np.testing.assert_allclose(out["flow"][out["valid"]].min(0), expected, rtol=1e-5)
        np.testing.assert_allclose(out["flow"][out["valid"]].max(0), expected, rtol=1e-5)
        assert out["valid"].mean() > 0.2
    small = spatial.apply(spatial.Spatial((70, 100), 0, 0), clip)
    assert small["hq"].shape == (2, 70, 100, 3) and not small["hq"][:, 60:].any()
    assert not small["valid"][:, 60:].any() and not small["valid"][:, :, 80:].any()


def test_draws_repeat_and_keep_their_shares():
    settings = dataclasses.replace(augment.Dense(), boxes=eraser.Boxes(0.5, 5, 10))
    first, again = (
        [
            augment.draw(settings, (3, 60, 80), (40, 48), np.random.default_rng(s))
            for s in range(400)
        ]
        for _ in range(2)
    )
    assert first == again
    shares = {
        "joint": (np.mean([len(d.colors) == 1 for d in first]), 0.8),
        "erased": (np.mean([bool(d.boxes) for d in first]), 0.5),
        "mirrored": (np.mean([d.spatial.mirror for d in first]), 0.5),
        "upside down": (np.mean([d.spatial.upside_down for d in first]), 0.1),
        "resized": (np.mean([d.spatial.factors != (1, 1) for d in first]), 0.8),
    }
    assert all(abs(got - want) < 0.08 for got, want in shares.values()), shares
    assert {len(d.colors) for d in first} == {1, 3}
    clip = _moving_clip()
    drawn = next(d for d in first if d.boxes)
    only_boxes = augment.Augmentation((), drawn.boxes, spatial.Spatial((60, 80), 0, 0))
    out = augment.apply(only_boxes, clip)
    np.testing.assert_array_equal(out["hq"][:-1], clip["hq"][:-1])
    changed = (out["hq"][-1] != clip["hq"][-1]).any(-1)
    assert changed.any() and not out["valid_back"][-1][changed].any() and out["valid"].all()
