"""Host and accelerator execute one definition: same draws, same pictures within the tolerances."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from daflow_jax.degrade import (
    blur,
    canvas,
    chains,
    device_published,
    draw,
    jpeg,
    noise,
    published,
    resize,
)
from daflow_jax.degrade import pipeline as pipelines
from tests.degrade.test_pipeline import clip, psnr

HEIGHT, WIDTH = 70, 90
ORDERS = ("first", "second")


@pytest.fixture(scope="module")
def picture():
    return clip(1, HEIGHT, WIDTH)[0].astype(np.float32)


def on_canvas(picture):
    """Returns the picture on a larger canvas whose rest holds what must not be read."""
    wide = np.full((112, 128, 3), 1e4, np.float32)
    wide[:HEIGHT, :WIDTH] = picture
    return canvas.Canvas(jnp.asarray(wide), HEIGHT, WIDTH)


def inside(result):
    return np.asarray(result.image)[: int(result.height), : int(result.width)]


def of_blur(kind, size, sigma_x=1.0, sigma_y=1.0, theta=0.0, beta=1.0, omega=1.0):
    values = (kind, size, sigma_x, sigma_y, theta, beta, omega)
    return draw.Blur(*(jnp.asarray(value) for value in values))


@pytest.mark.parametrize("size", [7, 13, 21])
def test_kernels_are_the_hosts(size):
    shape = (1.8, 0.6, 0.7)
    for kind, beta in ((1, 1.0), (3, 2.3), (5, 0.7)):
        theirs = blur.shaped(size, *shape, beta, published.KINDS[kind])
        ours = canvas.kernel(of_blur(kind, size, *shape, beta))
        np.testing.assert_allclose(ours, np.pad(theirs, (21 - size) // 2), atol=1e-6)
    ours = canvas.kernel(of_blur(draw.SINC, size, omega=2.0))
    np.testing.assert_allclose(ours, np.pad(blur.sinc(size, 2.0), (21 - size) // 2), atol=2e-6)
    x = np.linspace(0, 50, 999, dtype=np.float32)
    np.testing.assert_allclose(canvas.bessel(jnp.asarray(x)), special.j1(x), atol=5e-6)


def test_blur_and_sharpening_are_the_hosts(picture):
    for of in (of_blur(5, 21, 2.5, 1.0, 0.4, 1.5), of_blur(draw.SINC, 11, omega=1.3)):
        taps = canvas.kernel(of)
        ours = inside(canvas.blur(on_canvas(picture), taps))
        np.testing.assert_allclose(ours, blur.apply(picture, np.asarray(taps)), atol=0.02)
    none = canvas.kernel(of_blur(draw.NONE, 21))
    np.testing.assert_allclose(inside(canvas.blur(on_canvas(picture), none)), picture, atol=1e-3)
    ours = canvas.sharpen(jnp.asarray(picture))
    gap = np.abs(np.asarray(ours) - blur.sharpen(picture))
    assert np.mean(gap < 0.01) > 0.99 and gap.max() < 1  # a pixel on the threshold may fall off


@pytest.mark.parametrize("target", [(35, 45), (29, 38), (101, 121)])
@pytest.mark.parametrize("place", range(3))
def test_resize_is_the_hosts(picture, target, place):
    mode = published.MODES[place]
    for is_torch, host in ((False, resize.to_size), (True, resize.published)):
        way = canvas.Way(place, is_torch)
        ours = inside(canvas.resize(on_canvas(picture), target, (112, 128), way))
        np.testing.assert_allclose(ours, host(picture, *target, mode), atol=0.02)
    factor = 1.37 if target[0] > HEIGHT else 0.41
    height, width = int(HEIGHT * factor), int(WIDTH * factor)
    way = canvas.Way(place, True, factor)
    ours = inside(canvas.resize(on_canvas(picture), (height, width), (112, 128), way))
    theirs = resize.published(picture, height, width, mode, factor)
    np.testing.assert_allclose(ours, theirs, atol=0.02)


def test_noise_and_jpeg_are_the_hosts(picture):
    rng = np.random.default_rng(0)
    field = rng.standard_normal((112, 128, 3), np.float32)
    order = {"blur": None, "scale": 1.0, "mode": 0, "quality": 60.0}
    for gray in (False, True):
        of = draw.Order(**order, is_gaussian=True, gray=gray, gaussian=12.0, poisson=1.0)
        ours = inside(canvas.noise(on_canvas(picture), of, jnp.asarray(field), clip=True))
        used = field[:HEIGHT, :WIDTH, :1] if gray else field[:HEIGHT, :WIDTH]
        np.testing.assert_allclose(ours, np.clip(picture + 12 * used, 0, 255), atol=1e-3)
        of = of._replace(is_gaussian=False)
        ours = inside(canvas.noise(on_canvas(picture), of, jnp.asarray(field), clip=False))
        theirs = noise.poisson(picture, 1.0, gray, rng)
        spread = [np.std(x - picture) for x in (ours, theirs)]
        assert spread[0] == pytest.approx(spread[1], rel=0.05)
    for quality in (35.0, 80.0):
        ours = inside(canvas.jpeg_published(on_canvas(picture), quality))
        gap = np.abs(ours - jpeg.published(picture, quality))
        assert np.mean(gap < 0.03) > 0.995  # a coefficient on a tie may round to the other side
        ours = inside(canvas.jpeg_opencv(on_canvas(picture), quality))
        theirs = jpeg.jpeg(picture.astype(np.uint8), int(quality), "bgr")
        assert psnr(ours, theirs) > 38


@pytest.mark.parametrize(
    ("name", "quality", "tolerance"),
    [
        ("realbasicvsr", (100, 100), 1.0),
        pytest.param("star", (30, 95), 0.1, marks=pytest.mark.slow),
    ],
)
def test_same_draws_give_the_picture_of_the_host(picture, name, quality, tolerance):
    """Without noise, and without the codec, which the accelerator lacks.

    libjpeg's integers are no part of the definition: at full quality they leave the picture alone.
    """
    ranges = dataclasses.replace(published.get(name), codec="none", gaussian_share=1.0)
    silent = {
        o: dataclasses.replace(getattr(ranges, o), gaussian=(0, 0), quality=quality) for o in ORDERS
    }
    ranges = dataclasses.replace(ranges, **silent)
    one = jax.jit(device_published.one_frame, static_argnums=3)
    gaps, fidelity = [], []
    for trial in range(8):
        rng = np.random.default_rng(trial)
        numbers = rng.random(draw.NUM_UNIFORM), rng.random((1, draw.NUM_STEPS))
        steps = chains.steps(ranges, draw.pipeline(ranges, *numbers))
        exact = {"sharpen": ("sharpen", {"coarse": False})}
        chain = tuple(exact.get(s[0], s) for s in steps if s[0] != "codec")
        recipe = pipelines.Recipe((chain,), trial)
        bad = pipelines.apply(recipe, picture[None].astype(np.uint8))[0]
        drawn = draw.pipeline(ranges, *(jnp.asarray(n, jnp.float32) for n in numbers), jnp)
        frame = device_published.of_frame(drawn, 0)
        ours = one(jax.random.key(trial), jnp.asarray(picture) / 255, frame, ranges)
        gaps.append(np.abs(np.asarray(ours) * 255 - bad).mean())
        fidelity.append(psnr(bad, picture))
    assert np.ptp(fidelity) > 1  # the draws differ, so agreement means something
    assert max(gaps) < tolerance, gaps


def test_clips_are_a_function_of_the_key_and_walk():
    frames = jnp.asarray(np.repeat(clip(1, 32, 48), 2, 0), jnp.float32) / 255
    make = jax.jit(device_published.degrade)
    first, again, other = (np.asarray(make(jax.random.key(k), frames)) for k in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other) and not np.array_equal(first[0], first[1])
    assert first.shape == frames.shape and 0 <= first.min() and first.max() <= 1
