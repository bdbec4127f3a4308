"""Commands with a SEA-RAFT model folder: they know it by its configuration alone."""

import json

import jax
import numpy as np
import pytest

from daflow_jax import api, models, pretrained
from daflow_jax.io import flow as flow_files
from daflow_jax.io import image
from tests import tiny


@pytest.fixture(scope="module")
def sea_raft(tmp_path_factory):
    """Returns a model folder without stored defaults, random weights."""
    widths = dict(widths=(8, 8, 8, 8), features=16, hidden=16, context=16, radius=2)
    config = models.preset("sea-raft-s", **widths)
    rng = np.random.default_rng(0)
    variables = jax.tree_util.tree_map_with_path(
        lambda path, leaf: _drawn(rng, path, leaf.shape), pretrained.abstract_variables(config)
    )
    folder = tmp_path_factory.mktemp("models") / "narrow"
    return str(pretrained.save(folder, config, variables, name="narrow"))


def _drawn(rng, path, shape):
    if path[-1].key == "var":
        return np.ones(shape, np.float32)
    return rng.normal(0, max(np.prod(shape[:-1]), 1) ** -0.5, shape).astype(np.float32)


@pytest.mark.slow
def test_flow_and_eval_run_with_the_iterations_of_the_network(daflow, sea_raft, tmp_path):
    for index, frame in enumerate(tiny.frames(3), 1):
        image.write_image(tmp_path / f"clip/frame{index}.png", frame)
    code, _, err = daflow("flow", "clip", "--model", sea_raft, "--out", "out", "--format", "flo")
    assert code == 0, err
    written = sorted((tmp_path / "out").rglob("*.flo"))
    assert len(written) == 2
    flow, _ = flow_files.read_flow(written[0])
    expected = api.load(sea_raft)(tiny.frames(3))[0]
    np.testing.assert_allclose(flow, expected, atol=1e-3)

    pair = tmp_path / "pairs/alpha/p0"
    for index, frame in enumerate(tiny.frames(2), 1):
        image.write_image(pair / f"frame{index}.png", frame)
    flow_files.write_flow(pair / "flow.flo", np.zeros((100, 120, 2), np.float32))
    (pair / "meta.json").write_text(json.dumps({"schema": 1, "dataset": "alpha"}))
    code, _, err = daflow("eval", "pairs", "--model", sea_raft, "--out", "scores")
    assert code == 0, err
    [results] = (json.loads(f.read_text()) for f in (tmp_path / "scores").rglob("*.json"))
    assert '"iters": 4' in json.dumps(results)


def test_export_says_its_iterations(daflow, sea_raft, tmp_path):
    code, _, err = daflow("export", "--model", sea_raft, "--size", "128x128", "--out", "served")
    assert code == 0, err
    assert json.loads((tmp_path / "served/signature.json").read_text())["iters"] == 4


def test_stored_defaults_come_before_the_network_s(sea_raft):
    model = api.load(sea_raft)
    assert model.iters == 4
    stored = api.FlowModel(model.config, model.variables, meta={"defaults": {"iters": 2}})
    assert stored.iters == 2 and stored.estimator(iters=3).options.get("iters") == 3
