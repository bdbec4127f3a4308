"""Each operator against arrays computed with the published pipelines (tests/golden/degrade)."""

import pathlib

import numpy as np
import pytest

from daflow_jax.degrade import blur, jpeg, noise, resize
from tests.golden import weights

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "degrade"


@pytest.fixture(params=[0, 1])
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


def test_kernels_match_published_kernels(golden):
    for number in range(3):
        size, sigma_x, sigma_y, theta, generalized, plateau = golden[
            f"kernel{number}.params"
        ].astype(np.float64)
        for kind, beta in (("gaussian", 1.0), ("generalized", generalized), ("plateau", plateau)):
            name = {"gaussian": ""}.get(kind, kind + "_")
            aniso = blur.shaped(int(size), sigma_x, sigma_y, theta, beta, kind)
            iso = blur.shaped(int(size), sigma_x, sigma_x, 0.0, beta, kind)
            np.testing.assert_allclose(aniso, golden[f"kernel{number}.{name}aniso"], atol=1e-6)
            np.testing.assert_allclose(iso, golden[f"kernel{number}.{name}iso"], atol=1e-6)


def test_blur_matches_published_filter(golden):
    for number in (1, 4):
        kernel = golden[f"filter2d{number}.kernel"]
        ours = blur.apply(image(golden), kernel).transpose(2, 0, 1)
        np.testing.assert_allclose(ours / 255, golden[f"filter2d{number}.out"], atol=1e-5)
        np.testing.assert_allclose(ours, golden[f"cv2_filter2d{number}.out"], atol=0.05)


def test_resize_matches_published_resize(golden):
    for name in (key for key in golden if key.startswith("cv2_resize")):
        _, mode, size = name.split(".")
        height, width = map(int, size.split("x"))
        ours = resize.to_size(image(golden), height, width, mode).transpose(2, 0, 1)
        np.testing.assert_allclose(ours, golden[name], atol=0.05, err_msg=name)


def test_gaussian_noise_matches_published_noise(golden):
    height, width = golden["image"].shape[1:]
    color = weights.normal("deg.gauss", (3, height, width), golden["seed"]).transpose(1, 2, 0)
    gray = weights.normal("deg.gray", (height, width), golden["seed"])[..., None]
    for name, drawn in (("color", color), ("gray", gray)):
        ours = noise.gaussian(image(golden), 12.5, name == "gray", Replay(drawn)) / 255
        np.testing.assert_allclose(
            np.clip(ours, 0, 1).transpose(2, 0, 1), golden[f"gauss.{name}.12.5"], atol=1e-5
        )


def test_poisson_noise_matches_published_noise(golden):
    for gray, prefix, out in (
        (False, "poisson", "poisson.color.1.00"),
        (True, "poisson_gray", "poisson_gray.out.1.00"),
    ):
        drawn = golden[f"{prefix}.draw"].transpose(1, 2, 0).astype(np.float64)
        ours = noise.poisson(image(golden), 1.0, gray, Replay(drawn)) / 255
        np.testing.assert_allclose(np.clip(ours, 0, 1).transpose(2, 0, 1), golden[out], atol=1e-5)


def test_jpeg_matches_published_jpeg(golden):
    for quality in (30, 75, 95):
        # The published arrays took RGB for OpenCV's BGR: so do we here, by turning the channels.
        turned = np.round(image(golden)).astype(np.uint8)[..., ::-1].copy()
        ours = jpeg.jpeg(turned, quality)[..., ::-1].transpose(2, 0, 1)
        gap = np.abs(ours.astype(int) - golden[f"cv2_jpeg.{quality}"])
        assert (gap <= 2).mean() > 0.99


def test_motion_kernel_spreads_along_its_direction():
    kernel = blur.motion(9.0, np.pi / 2)
    axis = np.arange(len(kernel)) - len(kernel) // 2
    spread_x, spread_y = (kernel.sum(i) @ axis.astype(float) ** 2 for i in (0, 1))
    assert kernel.sum() == pytest.approx(1) and spread_x < 0.2
    assert spread_y == pytest.approx(9**2 / 12, rel=0.1)  # variance of a uniform line


def test_photon_noise_has_the_variance_of_counts():
    flat = np.full((64, 64, 3), 100, np.float32)
    counted = noise.photons(flat, 500.0, np.random.default_rng(0))
    assert counted.mean() == pytest.approx(100, rel=0.01)
    assert counted.var() == pytest.approx(100 * 255 / 500, rel=0.05)
