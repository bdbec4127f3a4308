import dataclasses
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.degrade import (
    chains,
    codec,
    corruptions,
    draw,
    mixture,
    pipeline,
    published,
    recipes,
)


def clip(frames=3, height=61, width=90):
    """Returns smooth coloured noise that moves 2 px a frame, uint8; odd sizes on purpose."""
    rng = np.random.default_rng(0)
    wide = cv2.GaussianBlur(
        rng.uniform(0, 255, (height, width + 20, 3)).astype(np.float32), (0, 0), 2
    )
    wide = np.clip((wide - 127) * 6 + 127, 0, 255).astype(np.uint8)
    return np.stack([wide[:, 2 * k : 2 * k + width] for k in range(frames)])


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def named(name, severity, seed=0, frames=32, mode=None):
    return pipeline.named(name, severity, np.random.default_rng(seed), frames, mode)


@pytest.mark.parametrize("name", recipes.NAMES)
def test_named_recipe_gets_worse_with_severity_and_replays(name):
    frames, quality = clip(), []
    for severity in (1, 3, 5):
        recipe = named(name, severity)
        bad = pipeline.apply(recipe, frames)
        assert bad.shape == frames.shape and bad.dtype == np.uint8
        again = pipeline.apply(pipeline.Recipe.from_json(recipe.to_json()), frames)
        np.testing.assert_array_equal(bad, again)
        quality.append(psnr(bad, frames))
    assert quality[0] > quality[1] > quality[2], quality


def test_random_recipes_replay_from_json():
    rng = np.random.default_rng(3)
    frames = clip()
    for mode in ("clip", "frame"):
        for _ in range(10):
            recipe = pipeline.sample_recipe(rng, mode, frames=3)
            assert pipeline.Recipe.from_json(recipe.to_json()) == recipe
            first = pipeline.apply(recipe, frames)
            np.testing.assert_array_equal(first, pipeline.apply(recipe, frames))
            assert len(recipe.chains) == (1 if mode == "clip" else 3)


def test_clip_mode_shares_parameters_but_not_noise():
    frames = np.repeat(clip(1), 2, 0)
    noisy = pipeline.apply(named("noise", 2), frames)
    assert not np.array_equal(noisy[0], noisy[1])
    blurred = pipeline.apply(named("blur", 2), frames)
    np.testing.assert_array_equal(blurred[0], blurred[1])


def test_pieces_of_a_video_get_the_noise_of_the_whole():
    frames, recipe = clip(4), named("combined", 3)
    whole = pipeline.apply(recipe, frames)
    pieces = [pipeline.apply(recipe, frames[k : k + 2], start=k) for k in (0, 2)]
    np.testing.assert_array_equal(whole, np.concatenate(pieces))


def test_combined_is_the_stated_chain():
    assert mixture.chain(3.0) == pytest.approx((1.2, 2.5, 15, 40))
    assert mixture.chain(5.0) == pytest.approx((2.0, 4.0, 25, 25))
    frames = clip(1, 64, 100)
    recipe = named("combined", 3)
    image = cv2.GaussianBlur(frames[0].astype(np.float32), (0, 0), 1.2)
    image = cv2.resize(image, (40, 26), interpolation=cv2.INTER_AREA)
    noise = np.random.Generator(np.random.Philox(key=[recipe.seed, 2]))
    image = image + np.float32(15) * noise.standard_normal(image.shape, np.float32)
    _, packed = cv2.imencode(
        ".jpg",
        np.round(np.clip(image, 0, 255)).astype(np.uint8)[..., ::-1],
        [cv2.IMWRITE_JPEG_QUALITY, 40],
    )
    image = cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32)
    image = cv2.resize(image, (100, 64), interpolation=cv2.INTER_CUBIC)
    expected = np.round(np.clip(image, 0, 255))
    np.testing.assert_allclose(pipeline.apply(recipe, frames)[0], expected, atol=1)


def test_a_former_name_reads_as_the_recipe_and_is_not_listed():
    assert named("calibration", 3, seed=5) == named("combined", 3, seed=5)
    with pytest.raises(errors.UserError, match="Did you mean combined") as refused:
        named("combine", 3)
    assert "calibration" not in str(refused.value)


def test_training_mixture_covers_the_combined_recipe():
    rng = np.random.default_rng(0)
    drawn = [mixture.draw(rng.random(mixture.NUM_UNIFORM), 0.0, 5.5) for _ in range(500)]
    sigma = np.array([np.sqrt(p.sigma_x * p.sigma_y) for p in drawn])
    factor, noise = (np.array([getattr(p, k) for p in drawn]) for k in ("factor", "noise"))
    quality = np.array([p.quality for p in drawn])
    for values, bad in ((sigma, 2.0), (factor, 4.0), (noise, 25.0), (-quality, -25)):
        assert 0.02 < np.mean(values > bad) < 0.4
    assert np.mean(factor == 1) > 0.1 and np.mean(quality > 100) > 0.1


def test_h264_works_on_the_clip_and_keeps_odd_sizes():
    frames = clip(5)
    bad = pipeline.apply(named("h264", 3), frames)
    assert bad.shape == frames.shape
    assert 15 < psnr(bad, frames) < 40


CODECS = (
    {"name": "libx264", "crf": 35},
    {"name": "libx264", "kbit_per_frame": 20, "preset": "medium", "rate": 1},
    {"name": "mpeg4", "kbit_per_frame": 20, "rate": 1},
    {"name": "libx265", "crf": 35},
)


def test_codecs_do_not_depend_on_what_was_in_memory():
    """glibc fills fresh memory with a byte of our choice: an encoder that reads what it never wrote
    gives itself away."""
    code = f"""
import hashlib
import cv2, numpy as np
from daflow_jax.degrade import codec
for settings in {CODECS}:
    rng, seen = np.random.default_rng(5), hashlib.sha256()
    for height, width in 5 * ((64, 96), (64, 80), (61, 90), (128, 160)):
        small = rng.integers(0, 255, (12, 14, 3)).astype(np.uint8)
        clip = np.repeat(cv2.resize(small, (width, height))[None], 3, 0)
        clip += rng.integers(0, 20, clip.shape).astype(np.uint8)
        seen.update(codec.codec(clip, **settings).tobytes())
        seen.update(codec.codec(clip[:1], **settings).tobytes())
    print(settings, seen.hexdigest())
"""
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"MALLOC_PERTURB_": fill},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for fill in ("0", "170")
    }
    assert len(digests) == 1, digests


def test_a_missing_encoder_is_named(monkeypatch):
    import av

    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx265"})
    with pytest.raises(errors.UserError, match="has no encoder libx265") as caught:
        pipeline.apply(named("hevc_compression", 2), clip())
    assert caught.value.code == 3


def test_codec_takes_the_size_of_the_first_frame():
    frames = [np.full((64 + 2 * k, 96, 3), 40 * k, np.uint8) for k in range(3)]
    stacked = codec.one_size(frames)
    assert stacked.shape == (3, 64, 96, 3) and stacked.mean((1, 2, 3)).tolist() == [0, 40, 80]


@pytest.mark.parametrize("name", [*corruptions.NAMES, *published.PIPELINES])
def test_a_corruption_gets_worse_with_severity_and_replays(name):
    frames, quality = clip(height=64, width=96), []
    flow = np.broadcast_to(np.float32([-2, 0]), (2, 64, 96, 2))
    for severity in (1, 3, 5):
        recipe = named(name, severity)
        bad = pipeline.apply(recipe, frames, flow=flow)
        assert bad.shape == frames.shape and bad.dtype == np.uint8
        again = pipeline.apply(pipeline.Recipe.from_json(recipe.to_json()), frames, flow=flow)
        np.testing.assert_array_equal(bad, again)
        quality.append(psnr(bad, frames))
    assert quality[0] > quality[1] > quality[2], quality


def test_realbasicvsr_draws_a_clip_and_walks_inside_its_ranges():
    ranges, seen = published.REALBASICVSR, set()
    for seed in range(30):
        recipe = named("realbasicvsr", 0, seed, frames=6)
        (chain,) = recipe.chains
        names = [name for name, _ in chain]
        assert names[0] == "sharpen" and names[-1] == "back" and names.count("codec") == 1
        assert names.count("jpeg") == 2 and names.count("scale") == 2
        quality = next(p for n, p in chain if n == "jpeg")["quality"]
        scale = next(p for n, p in chain if n == "scale")["scale"]
        assert np.abs(np.diff(quality)).max() <= 3 and min(quality) >= 30 and max(quality) <= 95
        assert 0 < np.abs(np.diff(scale)).max() <= 0.015 and 0.15 <= min(scale) <= max(scale) <= 1.5
        seen |= {p["name"] for n, p in chain if n == "codec"}
        kinds = {p.get("kind", "sinc") for n, p in chain if n in ("kernel_blur", "sinc")}
        seen |= kinds | {names[-2]}
    assert {"libx264", "mpeg4", "gaussian", "plateau", "sinc", "resize", "codec"} <= seen
    frames = clip(3, 64, 96)
    walking, still = (
        pipeline.apply(
            pipeline.Recipe(chains.sample(r, np.random.default_rng(0), 3, "clip")), frames
        )
        for r in (ranges, dataclasses.replace(ranges, walk=published.Walk(*[0] * 8)))
    )
    assert not np.array_equal(walking, still)


def test_star_draws_every_frame_and_keeps_its_slip():
    recipe = named("star", 0, frames=4)
    assert len(recipe.chains) == 4 and recipe.chains[0] != recipe.chains[1]
    for chain in recipe.chains:
        names = [name for name, _ in chain]
        assert names.count("codec") == 2 and names[-2] == "codec" and "scale" not in names
        middle = next(p for n, p in chain if n == "resize_published")
        assert middle["width"] == 1.0 and middle["height"] <= 1.2 / 4
    assert not any(n == "codec" for chain in named("dit4sr", 0).chains for n, _ in chain)
    assert len(named("star", 0, mode="clip").chains) == 1
    frames = clip(4, 64, 96)
    whole = pipeline.apply(recipe, frames)
    pieces = [pipeline.apply(recipe, frames[k : k + 2], start=k) for k in (0, 2)]
    np.testing.assert_array_equal(whole, np.concatenate(pieces))


def test_draws_use_up_exactly_their_numbers_and_keep_the_shares():
    class Counted(np.ndarray):
        seen: set = set()

        def __getitem__(self, key):
            Counted.seen.add(key if isinstance(key, int) else ("step", key[1]))
            return np.asarray(super().__getitem__(key))

    u = np.full(draw.NUM_UNIFORM, 0.4).view(Counted)
    steps = np.full((3, draw.NUM_STEPS), 0.4).view(Counted)
    draw.pipeline(published.REALBASICVSR, u, steps)
    assert {n for n in Counted.seen if isinstance(n, int)} == set(range(draw.NUM_UNIFORM))
    assert sum(isinstance(n, tuple) for n in Counted.seen) == draw.NUM_STEPS
    rng = np.random.default_rng(0)
    drawn = [
        draw.pipeline(published.STAR, rng.random(draw.NUM_UNIFORM), rng.random((1, draw.NUM_STEPS)))
        for _ in range(2000)
    ]
    kinds = np.bincount([int(d.second.blur.kind) for d in drawn], minlength=8) / 2000
    expected = 0.8 * np.array([0.405, 0.225, 0.108, 0.027, 0.108, 0.027, 0.1, 0.25])
    np.testing.assert_allclose(kinds, expected, atol=0.03)
    scale = np.array([d.first.scale[0] for d in drawn])
    np.testing.assert_allclose(
        [np.mean(scale > 1), np.mean(scale < 1), np.mean(scale == 1)], [0.2, 0.7, 0.1], atol=0.03
    )


def test_lists_give_each_frame_its_value_and_are_read_to_and_fro():
    recipe = pipeline.Recipe(((("brightness", {"lift": [0.0, 0.2, 0.4]}),),))
    frames = np.full((6, 16, 16, 3), 100, np.uint8)
    found = pipeline.apply(recipe, frames)[:, 0, 0, 0].tolist()
    assert found == [100, 151, 202, 151, 100, 151]
    assert pipeline.apply(recipe, frames[:2], start=2)[:, 0, 0, 0].tolist() == [202, 151]
    with pytest.raises(errors.UserError, match="takes one value for the clip"):
        pipeline.Recipe(((("codec", {"name": "mpeg4", "kbit_per_frame": [1, 2]}),),))
    with pytest.raises(errors.UserError, match="empty list"):
        pipeline.Recipe(((("brightness", {"lift": []}),),))


def test_what_sits_on_the_lens_stays_there():
    frames = np.repeat(clip(1), 2, 0)
    for name in ("spatter", "glass_blur", "elastic_transform"):
        still = pipeline.apply(named(name, 3), frames)
        np.testing.assert_array_equal(still[0], still[1])


def test_true_motion_blur_needs_the_flow_of_the_clip():
    with pytest.raises(errors.UserError, match="true motion, which is not known"):
        pipeline.apply(named("true_motion_blur", 3), clip())
    with pytest.raises(ValueError, match="flow is"):
        pipeline.apply(named("true_motion_blur", 3), clip(), flow=np.zeros((1, 61, 90, 2)))


def test_small_frames_survive_every_recipe():
    frames = clip(2, 18, 22)
    flow = np.ones((1, 18, 22, 2), np.float32)
    for name in pipeline.known():
        severity = 0 if name in published.PIPELINES else 5
        assert pipeline.apply(named(name, severity), frames, flow=flow).shape == frames.shape


@pytest.mark.parametrize("text", ["", "{}", '{"seed": 0, "chains": [[{"sigma": 1}]]}', "[1]"])
def test_broken_recipe_files_are_refused(text):
    with pytest.raises(errors.UserError, match="not a recipe"):
        pipeline.Recipe.from_json(text)


def test_wrong_recipes_are_refused_with_the_nearest_name():
    with pytest.raises(errors.UserError, match="Did you mean jpeg"):
        pipeline.Recipe(((("jpg", {}),),))
    with pytest.raises(errors.UserError, match="Did you mean noise"):
        named("nois", 3)
    with pytest.raises(errors.UserError, match="not in 1..5"):
        named("noise", 6)
    with pytest.raises(errors.UserError, match="Did you mean libx264"):
        pipeline.apply(pipeline.Recipe(((("codec", {"name": "x264", "crf": 30}),),)), clip())
    with pytest.raises(errors.UserError, match="Did you mean bicubic"):
        pipeline.apply(pipeline.Recipe(((("back", {"mode": "cubic"}),),)), clip())
    with pytest.raises(errors.UserError, match="recipe step jpeg.*'q'"):
        pipeline.Recipe(((("jpeg", {"quality": 30, "q": 3}),),))
    with pytest.raises(errors.UserError, match="End the chain with"):
        pipeline.apply(pipeline.Recipe(((("down", {"factor": 2, "mode": "area"}),),)), clip())
    with pytest.raises(ValueError, match="uint8"):
        pipeline.apply(named("blur", 1), clip().astype(np.float32))
