"""The comparison's report on results that are known, and RAFT with widened encoders."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import models
from studies import comparison, widen
from tests import tiny

CLIPS = 12


def result(name, errors):
    rows = [
        {"dataset": f"set{i % 2}", "clip": f"clip{i}", "epe": float(error)}
        for i, error in enumerate(errors)
    ]
    return {
        "method": {"name": name},
        "data": {"name": "pairs"},
        "type": "combined",
        "severity": 3,
        "scores": {"left_out_of_averages": []},
        "rows": rows,
    }


@pytest.fixture
def out(tmp_path):
    rng = np.random.default_rng(0)
    base = rng.uniform(1, 9, CLIPS)
    arms = {"raft-star": base, "better": 0.8 * base, "same": base + rng.normal(0, 0.5, CLIPS)}
    for arm, errors in arms.items():
        for seed, shift in enumerate((-0.1, 0.1)):
            folder = tmp_path / "eval/results/pairs" / f"{arm}-{seed}"
            folder.mkdir(parents=True)
            text = json.dumps(result(f"{arm}-{seed}", errors + shift))
            (folder / "combined-3.json").write_text(text)
    (tmp_path / "page.md").write_text(
        "# Head\n<!-- tables: begin -->\nold\n<!-- tables: end -->\ntail"
    )
    return tmp_path


def test_report_tells_a_paired_gain_from_none(out):
    assert comparison.main(["report", str(out), "--docs", str(out / "page.md")]) == 0
    (condition,) = json.loads((out / "page.json").read_text())["conditions"]
    arms = condition["arms"]
    assert condition["pairs"] == CLIPS and arms["raft-star"]["p"] is None
    better, same = arms["better"], arms["same"]
    assert better["above_reference"]["mean"] == pytest.approx(-0.2)
    assert better["above_reference"]["interval"][1] < -0.1 and better["p"] < 0.01
    low, high = same["above_reference"]["interval"]
    assert low < 0 < high and same["p"] > 0.05
    seeds = list(arms["raft-star"]["seeds"].values())
    assert seeds[1] - seeds[0] == pytest.approx(0.2)
    assert arms["raft-star"]["epe"] == pytest.approx(np.mean(seeds))
    page = (out / "page.md").read_text()
    assert page.startswith("# Head\n") and page.endswith("\ntail") and "old" not in page
    assert page.index("| better |") < page.index("| raft-star |")


@pytest.mark.slow
def test_widened_encoders_change_nothing_at_the_start():
    narrow = tiny.config()
    config = widen._scaled(narrow, 16)
    assert config.widths == tuple(2 * width for width in narrow.widths)
    wide = jax.tree.map(jnp.asarray, widen.grown(tiny.variables(), config))
    frames = jax.random.uniform(jax.random.key(1), (1, 2, 128, 128, 3))

    def features(config, variables):
        return models.build(config).apply(variables, frames, method="features")

    def total(variables):
        found = features(config, variables)
        return abs(found).sum(), found

    gradient, found = jax.jit(jax.grad(total, has_aux=True))(wide)
    same = jax.jit(lambda variables: features(narrow, variables))(tiny.variables())
    np.testing.assert_allclose(found, same, atol=2e-5)
    kernel = gradient["params"]["fnet"]["conv2"]["kernel"]
    assert abs(kernel[:, :, narrow.widths[-1] :]).max() > 0  # what was added learns
