"""`daflow eval` with a model that restores."""

import json

import pytest

from daflow_jax.io import image
from tests import tiny


@pytest.fixture
def restorer(tmp_path):
    for index, frame in enumerate(tiny.frames(2, 40, 48)):
        image.write_image(tmp_path / f"clips/a/{index}.png", frame)
    return tiny.save_restorer(tmp_path / "model")


def test_the_kind_of_the_model_chooses_what_is_measured(daflow, restorer, tmp_path):
    words = ("eval", "clips", "--model", restorer, "--degrade", "noise:3", "--no-clean")
    code, out, err = daflow(*words, "--steps", 2, "--json")
    assert code == 0, err
    record = json.loads(out)
    assert record == json.loads((tmp_path / "daflow_eval/results.json").read_text())
    assert record["kind"] == "restoration" and record["model"]["steps"] == 2
    (noise,) = record["degradation"]
    assert 5 < noise["psnr"] < 60 and noise["clips"]["clips/a"]["frames"] == 2


def test_options_of_the_other_kind_are_refused(daflow, restorer, model):
    code, _, err = daflow("eval", "clips", "--model", restorer, "--iters", 3)
    assert code == 2 and "--iters: is of flow, and this model restores." in err
    code, _, err = daflow("eval", "clips", "--model", model, "--steps", 3)
    assert code == 2 and "--steps: is of models that restore." in err
    code, _, err = daflow("eval", "clips", "--model", restorer, "--model", model)
    assert code == 2 and "--model: names models of several kinds: flow and restoration." in err
