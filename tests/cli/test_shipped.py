"""The model that ships, on held-out clips: it keeps a bound that a broken one would miss."""

import json

import numpy as np
import pytest

import daflow_jax
from daflow_jax import api, pretrained
from studies import robustness

BOUND = {"clean": 1.0, "calibration:3": 3.0}  # pixels
SHIPPED = daflow_jax.DEFAULT_MODEL


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Returns a folder of four generated pairs."""
    return robustness.generated(tmp_path_factory.mktemp("pairs"), 4, (208, 256))


def errors_of(daflow, pairs, model, *more):
    words = ("--degrade", "calibration:3", "--worst", 0, "--json", "--out", "out", *more)
    code, out, err = daflow("eval", pairs, "--model", model, *words)
    assert code in (0, 4), err
    summary = json.loads(out)
    epe = {
        f"{each['recipe']}:{each['level']:.0f}".removesuffix(":0"): each["epe"]["per_image"]
        for each in summary["degradation"]
    }
    return code, epe, summary


def test_shipped_model_keeps_its_bounds(daflow, pairs):
    code, epe, summary = errors_of(daflow, pairs, SHIPPED, "--baseline", "dis", "--max-epe", 3.0)
    assert code == 0 and all(epe[name] < bound for name, bound in BOUND.items()), epe
    dis = {each["recipe"]: each["epe"]["per_image"] for each in summary["others"][0]["degradation"]}
    assert epe["calibration:3"] < dis["calibration"]


def test_a_broken_model_misses_the_bounds(daflow, pairs, tmp_path):
    found = pretrained.load(pretrained.resolve(SHIPPED))
    flat = pretrained.flatten(found.variables)
    name = "params/update/flow_head/conv2/kernel"
    flat[name] = np.asarray(flat[name])[..., ::-1]  # x and y exchanged
    layout = {key: (value.dtype, value.shape) for key, value in flat.items()}
    pretrained.write(tmp_path / "broken", found.config, layout, flat.items(), name="broken")
    code, epe, _ = errors_of(daflow, pairs, "broken", "--no-clean", "--max-epe", 3.0)
    assert code == 4 and epe["calibration:3"] > 2 * BOUND["calibration:3"]


def test_shipped_files_are_small_and_of_16_bits():
    folder = pretrained.resolve(SHIPPED)
    files = pretrained.weight_files(folder, pretrained.read_meta(folder))
    assert sum(file.stat().st_size for file in files) < 15e6
    assert all(file.stat().st_size < 5e6 for file in files)
    dtypes = {str(leaf.dtype) for leaf in pretrained.flatten(
        pretrained.load(folder).variables["params"]).values()}  # fmt: skip
    assert dtypes == {"float16"} and api.load(SHIPPED).num_parameters > 10**5
