"""`daflow flow`, `daflow eval` and the Python interface with a network that predicts its errors."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from daflow_jax import api, errors, pretrained
from daflow_jax.io import flow as flow_files
from daflow_jax.io import image
from daflow_jax.ops import resize
from tests import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Returns the folder of the tiny RAFT with a random head."""
    config = dataclasses.replace(tiny.config(), uncertainty=True)
    rng, flat = np.random.default_rng(0), pretrained.flatten(tiny.variables())
    drawn = {
        name: flat.get(name, rng.normal(0, 0.2, shape).astype(np.float32))
        for name, shape in pretrained.shapes(config).items()
    }

    folder = tmp_path_factory.mktemp("models") / "unsure"
    given = config, traverse_util.unflatten_dict(drawn, sep="/")
    return str(pretrained.save(folder, *given, name="unsure", defaults={"iters": tiny.ITERS}))


def test_the_call_returns_the_uncertainty_on_request(model):
    frames, unsure = tiny.frames(3), api.load(model)
    flow = unsure(frames)
    np.testing.assert_array_equal(flow, tiny.model()(frames))
    result = unsure(frames, uncertainty=True)
    np.testing.assert_array_equal(result.flow, flow)
    assert result.uncertainty.shape == (2, 100, 120) and result.uncertainty.std() > 0
    assert result.uncertainty.min() >= 0 and result.iterations is None
    both = unsure((frames[0], frames[1]), bidirectional=True)
    np.testing.assert_allclose(both.uncertainty, result.uncertainty[0], atol=1e-3)
    streamed = list(unsure.stream(frames, warm_start=False, uncertainty=True))
    np.testing.assert_allclose(streamed[1].uncertainty, result.uncertainty[1], atol=1e-3)
    with pytest.raises(errors.UserError, match="uncertainty: tiny predicts none. Train one"):
        tiny.model()(frames, uncertainty=True)


@pytest.mark.slow
def test_frames_estimated_small_have_the_uncertainty_of_their_own_pixels(model):
    frames = tiny.frames(2, 256, 272)
    unsure = api.load(model, layout=api.Layout(max_size=136))
    result = unsure((frames[0], frames[1]), uncertainty=True)
    small = resize.resize_align_corners(jnp.float32(frames) / 255, (128, 136))
    inner = api.load(model)(np.asarray(small), uncertainty=True).uncertainty[0]
    corners, small_corners = np.ix_((0, 255), (0, 271)), np.ix_((0, 127), (0, 135))
    expected = inner[small_corners] + np.log(2)
    np.testing.assert_allclose(result.uncertainty[corners], expected, atol=1e-4)


def test_flow_writes_maps_of_models_that_have_them(daflow, model, tmp_path):
    for index, frame in enumerate(tiny.frames(2), 1):
        image.write_image(tmp_path / f"clip/{index}.png", frame)
    words = ("flow", "clip", "--formats", "flo", "--uncertainty", "--model")
    assert daflow(*words, model)[0] == 0
    written = np.load(tmp_path / "daflow_out/clip/1_unc.npy")
    expected = api.load(model)(tiny.frames(2), uncertainty=True).uncertainty[0]
    np.testing.assert_allclose(written, expected, atol=1e-3)
    assert not list((tmp_path / "daflow_out").rglob("*_back*"))
    code, _, err = daflow(*words, tiny.save(tmp_path / "plain"), "--out", "other")
    assert code == 2 and "uncertainty: tiny predicts none" in err


def test_eval_reports_how_the_uncertainty_ranks_the_errors(daflow, model, tmp_path):
    for dataset, number in (("alpha", 1), ("alpha", 2), ("beta", 3)):
        folder = tmp_path / f"pairs/{dataset}/p{number}"
        for index, frame in enumerate(tiny.frames(2, seed=number), 1):
            image.write_image(folder / f"frame{index}.png", frame)
        truth = np.random.default_rng(number).normal(0, 2, (100, 120, 2)).astype(np.float32)
        flow_files.write_flow(folder / "flow.flo", truth)
        (folder / "meta.json").write_text(json.dumps({"dataset": dataset}))
    words = ("--baseline", "zero", "--degrade", "noise:3", "--bucket", 8, "--worst", 0, "--json")
    code, out, _ = daflow("eval", "pairs", "--model", model, *words)
    assert code == 0
    results = json.loads(out)
    lines = (tmp_path / "daflow_eval/per_pair.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert not any("sparsification" in row for row in rows)
    for entry in results["degradation"]:
        block = entry["sparsification"]
        own = [row["ause"] for row in rows if row["method"] == "unsure"
               and row["degradation"].startswith(entry["recipe"])]  # fmt: skip
        assert block["ause"] == pytest.approx(((own[0] + own[1]) / 2 + own[2]) / 2)
        assert entry["datasets"]["beta"]["sparsification"]["ause"] == pytest.approx(own[2])
        low, high = entry["intervals"]["ause"]
        assert low <= block["ause"] <= high
        curves = [np.array(block[key]) for key in ("removed", "by_uncertainty", "by_error")]
        assert len(curves[0]) == 20 and (curves[0][0], curves[0][-1]) == (0, 0.95)
        assert [curve[0] for curve in curves] == pytest.approx([0, 1, 1])
        assert (curves[1] >= curves[2] - 1e-6).all()
        assert block["ause"] == pytest.approx(np.trapezoid(curves[1] - curves[2], curves[0]))
        assert block["ause_random"] == pytest.approx(np.trapezoid(1 - curves[2], curves[0]))
    assert all(e["sparsification"] is None for e in results["others"][0]["degradation"])
    table = (tmp_path / "daflow_eval/table.md").read_text()
    assert "### AUSE\n\n| method | clean | noise:3 |" in table
    assert f"| unsure | {results['degradation'][0]['sparsification']['ause']:.3f} [" in table
