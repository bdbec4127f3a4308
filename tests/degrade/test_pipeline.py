import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.degrade import mixture, pipeline, recipes


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


def named(name, level, seed=0, frames=1):
    return pipeline.named(name, level, np.random.default_rng(seed), frames)


@pytest.mark.parametrize("name", recipes.NAMES)
def test_named_recipe_gets_worse_with_level_and_replays(name):
    frames, quality = clip(), []
    for level in (1, 3, 5):
        recipe = named(name, level)
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
    frames, recipe = clip(4), named("calibration", 3)
    whole = pipeline.apply(recipe, frames)
    pieces = [pipeline.apply(recipe, frames[k : k + 2], start=k) for k in (0, 2)]
    np.testing.assert_array_equal(whole, np.concatenate(pieces))


def test_calibration_is_the_stated_chain():
    assert mixture.chain(3.0) == pytest.approx((1.2, 2.5, 15, 40))
    assert mixture.chain(5.0) == pytest.approx((2.0, 4.0, 25, 25))
    frames = clip(1, 64, 100)
    recipe = named("calibration", 3)
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


def test_training_mixture_covers_the_calibration_chain():
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


def test_h264_does_not_depend_on_what_was_in_memory():
    """glibc fills fresh memory with a byte of our choice: an encoder that reads what it never wrote
    gives itself away."""
    code = """
import hashlib
import cv2, numpy as np
from daflow_jax.degrade import codec
rng, seen = np.random.default_rng(5), hashlib.sha256()
for height, width in 6 * ((64, 96), (64, 80), (61, 90), (128, 160)):
    small = rng.integers(0, 255, (12, 14, 3)).astype(np.uint8)
    clip = np.repeat(cv2.resize(small, (width, height))[None], 3, 0)
    clip += rng.integers(0, 20, clip.shape).astype(np.uint8)
    seen.update(codec.codec(clip, "libx264", crf=35).tobytes())
print(seen.hexdigest())
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
    with pytest.raises(errors.UserError, match="recipe step jpeg.*'q'"):
        pipeline.Recipe(((("jpeg", {"quality": 30, "q": 3}),),))
    with pytest.raises(errors.UserError, match="End the chain with"):
        pipeline.apply(pipeline.Recipe(((("down", {"factor": 2, "mode": "area"}),),)), clip())
    with pytest.raises(ValueError, match="uint8"):
        pipeline.apply(named("blur", 1), clip().astype(np.float32))
