"""Each operator against arrays computed with the published pipelines (tests/golden/degrade)."""

import pathlib
import re

import numpy as np
import pytest

from daflow_jax.degrade import blur, codec, draw, jpeg, lens, noise, resize, tone
from daflow_jax.errors import UserError
from tests.golden import weights

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "degrade"


@pytest.fixture(params=[0, 1], scope="module")
def golden(request):
    with np.load(GOLDEN / f"degrade_s{request.param}.npz") as stored:
        return {"seed": request.param, **stored}


def image(golden):
    """Returns the stored picture as float32 (h, w, 3) in 0..255."""
    return np.ascontiguousarray(golden["image"].transpose(1, 2, 0)) * np.float32(255)


class Replay(np.random.Generator):
    """A generator that hands out a stored draw."""

    def __init__(self, value):
        super().__init__(np.random.PCG64(0))
        self.value = value

    def standard_normal(self, shape, dtype):
        assert self.value.shape == shape
        return self.value.astype(dtype)

    def poisson(self, mean):
        assert self.value.shape == mean.shape
        return self.value


def kernel(golden, number, name):
    size, sigma_x, sigma_y, theta, generalized, plateau = golden[f"kernel{number}.params"].astype(
        float
    )
    kind, _, shape = f"gaussian_{name}".rpartition("_")
    kind = kind.removeprefix("gaussian_") if "_" in kind else kind
    beta = {"gaussian": 1.0, "generalized": generalized, "plateau": plateau}[kind]
    if shape == "iso":
        return blur.shaped(int(size), sigma_x, sigma_x, 0.0, beta, kind)
    return blur.shaped(int(size), sigma_x, sigma_y, theta, beta, kind)


def sinc(golden, number):
    size, omega = golden[f"sinc{number}.params"].astype(float)
    return np.pad(blur.sinc(int(size), omega), (21 - int(size)) // 2)


def filtered(golden, number):
    return blur.apply(image(golden), golden[f"filter2d{number}.kernel"]) / 255


def resized(golden, mode, factor):
    height, width = (int(n * float(factor)) for n in golden["image"].shape[1:])
    return resize.published(image(golden), height, width, mode, float(factor)) / 255


def sized(golden, mode, size):
    return resize.published(image(golden), *map(int, size.split("x")), mode) / 255


def sized_cv2(golden, mode, size):
    return resize.to_size(image(golden), *map(int, size.split("x")), mode)


def gauss(golden, tint, sigma):
    height, width = golden["image"].shape[1:]
    drawn = {
        "color": weights.normal("deg.gauss", (3, height, width), golden["seed"]).transpose(1, 2, 0),
        "gray": weights.normal("deg.gray", (height, width), golden["seed"])[..., None],
    }[tint]
    noisy = noise.gaussian(image(golden), float(sigma), tint == "gray", Replay(drawn))
    return np.clip(noisy / 255, 0, 1)


def poisson(golden, prefix, scale):
    drawn = golden[f"{prefix}.draw"].transpose(1, 2, 0).astype(np.float64)
    gray = prefix == "poisson_gray"
    return np.clip(noise.poisson(image(golden), float(scale), gray, Replay(drawn)) / 255, 0, 1)


def vals(golden, prefix):
    return noise.levels(image(golden) / 255)


def encoded(golden, quality):
    # The published arrays took RGB for OpenCV's BGR.
    return jpeg.jpeg(np.round(image(golden)).astype(np.uint8), int(quality), "bgr")


WALKS = {  # step, low, high
    "sigma_x": (0.02, 0.2, 3.0),
    "gauss": (0.1, 1.0, 30.0),
    "jpeg": (3.0, 30.0, 95.0),
    "resize": (0.015, 0.15, 1.5),
}


def walked(golden, name, start):
    return draw.walk(float(start), *WALKS[name], golden["walk.u"], rounded=name == "jpeg")


def walked_sizes(golden):
    scales = walked(golden, "resize", 0.5)
    return np.array([[resize.even_size(n, s) for n in (180, 320)] for s in scales])


CHECKS = (  # pattern, function of its groups, tolerance
    (r"kernel(\d)\.(\w*iso|\w*aniso)", kernel, 1e-6),
    (r"sinc(\d)", sinc, 1e-6),
    (r"filter2d(\d)\.out", filtered, 1e-5),
    (r"cv2_filter2d(\d)\.out", lambda g, n: filtered(g, n) * 255, 0.05),
    (r"usm\.out", lambda g: blur.sharpen(image(g)) / 255, 1e-5),
    (r"resize_scale\.(\w+)\.(.+)", resized, 1e-5),
    (r"resize_size\.(\w+)\.(.+)", sized, 1e-5),
    (r"cv2_resize\.(\w+)\.(.+)", sized_cv2, 0.05),
    (r"gauss\.(\w+)\.(.+)", gauss, 1e-5),
    (r"(poisson|poisson_gray)\.vals", vals, 0),
    (r"(poisson)\.color\.(.+)", poisson, 1e-5),
    (r"(poisson_gray)\.out\.(.+)", poisson, 1e-5),
    (r"diffjpeg\.(.+)", lambda g, q: jpeg.published(image(g), float(q)) / 255, 1e-4),
    (r"cv2_jpeg\.(.+)", encoded, 2),
    (r"walk\.(sigma_x|gauss|jpeg)\.start(.+)", walked, 1e-5),
    (r"walk\.(resize)\.start(.+)\.scale", walked, 1e-6),
    (r"walk\.resize\.start0\.5\.hw_of_180x320", walked_sizes, 0),
)
GIVEN = re.compile(r"seed|image|.*\.params|.*\.kernel|.*\.draw|walk\.u")


@pytest.mark.parametrize(("pattern", "function", "tolerance"), CHECKS, ids=[c[0] for c in CHECKS])
def test_operator_matches_published_arrays(golden, pattern, function, tolerance):
    found = {name: m for name in golden if (m := re.fullmatch(pattern, name))}
    assert found
    for name, match in found.items():
        ours, theirs = function(golden, *match.groups()), golden[name]
        ours = ours.transpose(2, 0, 1) if np.ndim(ours) == 3 else np.asarray(ours)
        gap = np.abs(ours.astype(float) - theirs)
        assert gap.shape == theirs.shape, name
        share = np.mean(gap <= tolerance)
        assert share == 1 or "jpeg." in name and share > 0.99, (name, gap.max())


def test_every_published_array_is_checked(golden):
    patterns = [pattern for pattern, _, _ in CHECKS]
    left = [n for n in golden if not any(re.fullmatch(p, n) for p in patterns)]
    assert all(GIVEN.fullmatch(name) for name in left), left


def test_fast_forms_are_near_the_exact_ones(golden):
    picture = np.tile(image(golden), (4, 3, 1))
    gap = np.abs(blur.sharpen(picture, coarse=True) - blur.sharpen(picture))
    assert gap.max() < 4 and gap.mean() < 0.2
    flat = np.repeat(np.arange(256, dtype=np.float32), 900).reshape(480, 480, 1).repeat(3, 2)
    for gray in (False, True):
        exact, table = (
            (noise.poisson(flat, 1.0, gray, np.random.default_rng(0), t) - flat)[:, :, 0]
            for t in (False, True)
        )
        for dim, bright in ((0, 15), (100, 130), (450, 480)):
            a, b = exact[dim:bright], table[dim:bright]
            assert b.std() == pytest.approx(a.std(), rel=0.05) and abs(b.mean() - a.mean()) < 0.3
    normal = noise.gaussian(np.zeros_like(flat), 1.0, False, np.random.default_rng(0), table=True)
    assert normal.std() == pytest.approx(1, abs=0.005) and abs((normal**3).mean()) < 0.02
    assert (normal**4).mean() == pytest.approx(3, abs=0.05)


def test_motion_kernel_spreads_along_its_direction():
    moved = blur.motion(9.0, np.pi / 2)
    axis = np.arange(len(moved)) - len(moved) // 2
    spread_x, spread_y = (moved.sum(i) @ axis.astype(float) ** 2 for i in (0, 1))
    assert moved.sum() == pytest.approx(1) and spread_x < 0.2
    assert spread_y == pytest.approx(9**2 / 12, rel=0.1)  # variance of a uniform line


def test_true_motion_blur_is_the_shake_of_a_uniform_flow(golden):
    """A flow that is the same everywhere blurs as a camera shake of its length and direction."""
    picture = np.tile(image(golden), (2, 2, 1))
    flow = np.broadcast_to(np.float32([0, 9]), (*picture.shape[:2], 2))
    ours = lens.motion(picture, flow, 1.0)[12:-12]
    shaken = blur.apply(picture, np.full((9, 1), 1 / 9) @ np.eye(1, 9, 4))[12:-12]
    assert np.abs(ours - shaken).mean() < 0.2 * np.abs(picture[12:-12] - shaken).mean()
    moved = np.indices((40, 50), np.float32).transpose(1, 2, 0) * np.float32(0.05)
    moved = np.ascontiguousarray(moved + np.float32([3, -2]))
    carried = lens.carry(moved)
    x, y = 20 + moved[20, 20, 0], 20 + moved[20, 20, 1]  # where the pixel (20, 20) went
    near = carried[int(round(y)), int(round(x))]
    np.testing.assert_allclose(near, moved[20, 20], atol=0.06)


def test_photon_noise_has_the_variance_of_counts():
    flat = np.full((64, 64, 3), 100, np.float32)
    counted = noise.photons(flat, 500.0, np.random.default_rng(0))
    assert counted.mean() == pytest.approx(100, rel=0.01)
    assert counted.var() == pytest.approx(100 * 255 / 500, rel=0.05)


def test_single_corruptions_do_what_they_say():
    flat, rng = np.full((64, 64, 3), 100, np.float32), np.random.default_rng(0)
    salted = noise.impulse(flat, 0.2, rng)
    assert [np.mean(salted == v) for v in (0, 100, 255)] == pytest.approx([0.1, 0.8, 0.1], abs=0.01)
    assert noise.speckle(flat, 0.1, rng).std() == pytest.approx(10, rel=0.03)
    assert tone.brightness(flat, 0.2).mean() == pytest.approx(151, abs=0.1)
    ramp = flat + np.arange(64, dtype=np.float32)[:, None]
    low = tone.contrast(ramp, 0.5)
    assert low.mean() == pytest.approx(ramp.mean(), rel=1e-4)
    assert low.std() == pytest.approx(ramp.std() / 2, rel=1e-4)
    gray = tone.saturate(ramp * np.float32([1, 0.9, 0.8]), 0.0)
    assert np.ptp(gray, axis=-1).max() < 1e-3
    muddy = lens.spatter(np.full((64, 64, 3), 200, np.float32), 0.3, 4.0, rng)
    assert np.mean(muddy[..., 0] < 199.5) == pytest.approx(0.3, abs=0.01)
    same = [
        lens.zoom(flat, 0.1),
        lens.glass(flat, 2.0, 1.0, rng),
        lens.elastic(flat, 2.0, 5.0, rng),
    ]
    np.testing.assert_allclose(np.stack(same), 100, atol=1e-3)
    area = np.pi * 3.3**2
    assert blur.disc(3.3).max() == pytest.approx(1 / area, rel=0.05)


def test_frames_that_a_codec_cannot_take_are_named(capfd):
    with pytest.raises(UserError, match="a frame of 65534x4 is larger than JPEG takes"):
        jpeg.jpeg(np.zeros((4, 65534, 3), np.uint8), 50)
    with pytest.raises(UserError, match="mpeg4 takes no frames of 60000x4"):
        codec.codec(np.zeros((2, 4, 60000, 3), np.uint8), "mpeg4", kbit_per_frame=10)
    assert capfd.readouterr().err == ""
