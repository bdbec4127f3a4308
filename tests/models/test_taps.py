"""Networks of features lend what they return, and `daflow analyze` compares it."""

import jax
import numpy as np
import pytest

from daflow_jax import cli, models, pretrained
from daflow_jax.models import calls, taps


@pytest.mark.parametrize("name", ["resnet-nano-decoder", "vit-nano"])
def test_what_a_network_of_features_returns_is_its_tap(name):
    config = models.preset(name)
    module = models.build(config)
    variables = calls.init(module, jax.random.key(0))
    frames = jax.random.uniform(jax.random.key(1), (2, 64, 96, 3))
    source, chosen = taps.chosen(config, ["features"])
    build = source.build(config, tuple(block for block, _ in chosen), 1, 0)
    lent = build(variables, jax.random.key(0), frames)["features", taps.MAP][0]
    assert lent.shape[1:3] == (64 // config.stride, 96 // config.stride)
    np.testing.assert_allclose(lent, module.apply(variables, frames[None])[0], atol=1e-5)


@pytest.mark.slow
def test_learned_features_are_analysed(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the command writes
    config = models.preset("resnet-nano")
    variables = calls.init(models.build(config), jax.random.key(0))
    pretrained.save(tmp_path / "encoder", config, variables, name="encoder")
    words = ["--generated", "1", "--size", "64x64", "--model", str(tmp_path / "encoder")]
    assert cli.main(["analyze", *words]) == 0
    assert ", trained, 1 step, block features, map" in capsys.readouterr().out
