"""`evaluate.run_restoration`: known values of known restorers."""

import json

import numpy as np
import pytest
from skimage import metrics as skimage_metrics

from daflow_jax import errors, evaluate
from daflow_jax.evaluate import degradations, restoration
from daflow_jax.io import image
from tests import tiny


@pytest.fixture
def clips():
    return {name: tiny.frames(3, 40, 48, seed=seed) for seed, name in enumerate("ab")}


def grey(frames):
    return np.full_like(frames, 128)


def test_values_are_those_of_scikit_image_averaged_over_frames_then_clips(clips):
    results = evaluate.run_restoration(clips, {"grey": grey}, ("noise:3",))
    noise, expected = degradations.parse("noise:3"), {"degraded": [], "grey": []}
    for name, clean in clips.items():
        named = restoration.Clip(name, lambda: None)
        seen = noise.apply(clean, degradations.seed_of(named, 0))
        for method, frames in {"degraded": seen, "grey": grey(clean)}.items():
            pairs = list(zip(frames, clean, strict=True))
            psnr = [skimage_metrics.peak_signal_noise_ratio(b, a, data_range=255) for a, b in pairs]
            ssim = [
                skimage_metrics.structural_similarity(
                    b, a, data_range=255, channel_axis=-1, gaussian_weights=True, sigma=1.5,
                    use_sample_covariance=False,
                )
                for a, b in pairs
            ]  # fmt: skip
            expected[method].append((np.mean(psnr), np.mean(ssim)))
    for method, values in expected.items():
        own = results.scores["noise:3"][method]
        assert (own["psnr"], own["ssim"]) == pytest.approx(np.mean(values, 0), rel=1e-3)
        low, high = own["intervals"]["psnr"]
        assert (low, high) == pytest.approx(sorted(v[0] for v in values), rel=1e-3), "two clips"
    assert "| grey |" in results.table() and results.table().startswith("### noise:3")


def test_a_perfect_restorer_has_the_largest_values_that_exist(clips):
    known = {frames.tobytes(): frames for frames in clips.values()}
    found = evaluate.run_restoration(clips, {"same": lambda x: known[x.tobytes()]}, ("clean",))
    own = found.scores["clean"]["same"]
    assert own["psnr"] == restoration.MOST and own["ssim"] == pytest.approx(1)
    assert own["clips"]["b"] == {"frames": 3, "psnr": restoration.MOST, "ssim": pytest.approx(1)}


def test_small_frames_have_no_ssim_and_other_sizes_are_refused(tmp_path):
    clips = {"small": tiny.frames(2, 10, 12)}
    results = evaluate.run_restoration(clips, {"grey": grey}, ("noise:3",))
    record = results.save(tmp_path)
    assert record == json.loads((tmp_path / "results.json").read_text())
    assert record["degradation"][0]["ssim"] is None and record["kind"] == "restoration"
    assert [other["model"]["name"] for other in record["others"]] == ["degraded"]
    with pytest.raises(errors.UserError, match=r"method half: returned \(2, 5, 6, 3\) for frames"):
        evaluate.run_restoration(clips, {"half": lambda x: x[:, ::2, ::2]})
    with pytest.raises(errors.UserError, match="small: frames are float32"):
        evaluate.run_restoration({"small": np.zeros((2, 10, 12, 3), np.float32)}, grey)


@pytest.fixture
def folders(clips, tmp_path):
    for name, frames in clips.items():
        for index, frame in enumerate(frames):
            image.write_image(tmp_path / f"clips/{name}/{index}.png", frame)
    return tmp_path / "clips"


def test_folders_and_loaded_models(folders, clips, tmp_path):
    model = tiny.save_restorer(tmp_path / "model")
    results = evaluate.run_restoration(folders, [model], ("noise:2",), limit=1)
    (row, plain) = results.rows
    assert (row["name"], row["frames"], plain["method"]) == ("clips/a", 3, "degraded")
    assert results.methods[0].record["params"] > 0
    assert results.record()["speed"]["frames_per_s"] > 0
