"""`daflow export`: the artefact alone gives what the model gives."""

import json
import runpy
import sys

import jax
import numpy as np
import pytest
from jax import export

from daflow_jax import api, errors, pretrained
from daflow_jax.io import image
from daflow_jax.ops import coarse_to_fine
from daflow_jax.pretrained import int8
from tests import shipped, tiny


def test_the_artefact_gives_the_flow_of_the_model(daflow, model, tmp_path, monkeypatch):
    monkeypatch.setattr(coarse_to_fine, "SMALLEST", 50)  # so that 60 x 72 comes first
    words = ("--size", "100x120", "--scales", "0.6,0.9", "--out", "served")
    code, out, err = daflow("export", "--model", model, *words)
    assert code == 0 and "flow.stablehlo" in out, err
    signature = json.loads((tmp_path / "served/signature.json").read_text())
    assert signature["inputs"][0]["shape"] == [1, 2, 100, 120, 3]
    assert signature["scales"] == [0.6, 0.9] and signature["iters"] == tiny.ITERS
    assert signature["outputs"][0]["shape"] == [1, 1, 100, 120, 2]
    frames = tiny.frames(2)
    blob = bytearray((tmp_path / "served/flow.stablehlo").read_bytes())
    served = jax.jit(export.deserialize(blob).call)((frames / np.float32(255))[None])
    sized = api.load(model, layout=api.Layout(scales=(0.6, 0.9)))
    expected = sized((frames[0], frames[1]))
    assert np.abs(expected - tiny.model()((frames[0], frames[1]))).max() > 1e-2
    np.testing.assert_allclose(served[0, 0], expected, atol=1e-4)


def test_the_example_beside_it_runs(daflow, model, tmp_path, capsys):
    assert daflow("export", "--model", model, "--size", "128x128")[0] == 0
    runpy.run_path(str(tmp_path / "daflow_export/load_example.py"))
    assert capsys.readouterr().out == "(1, 1, 128, 128, 2) float32\n"


def test_onnx_runtime_gives_the_flow_of_the_model(daflow, model, tmp_path, capsys, monkeypatch):
    pytest.importorskip("jax2onnx", reason="needs the extra: pip install -e '.[onnx]'")
    runtime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(coarse_to_fine, "SMALLEST", 50)
    words = ("--format", "onnx", "--size", "100x120", "--scales", "0.6", "--out", "onnx")
    code, out, err = daflow("export", "--model", model, *words, "--json")
    assert code == 0, err
    signature = json.loads(out)
    assert signature["format"] == "onnx" and signature["scales"] == [0.6]
    assert signature["checked"]["max_difference_px"] < 1e-3
    session = runtime.InferenceSession(tmp_path / "onnx/flow.onnx")
    frames = tiny.frames(2)
    (flow,) = session.run(["flow"], {"frames": (frames / np.float32(255))[None]})
    expected = api.load(model, layout=api.Layout(scales=(0.6,)))((frames[0], frames[1]))
    np.testing.assert_allclose(flow[0, 0], expected, atol=1e-3)
    assert np.abs(expected).max() > 1
    runpy.run_path(str(tmp_path / "onnx/load_example.py"))
    assert capsys.readouterr().out == "(1, 1, 100, 120, 2) float32\n"


def test_onnx_without_its_packages_says_what_to_install(daflow, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    words = ("--format", "onnx", "--size", "128x128", "--quiet")
    code, _, err = daflow("export", "--model", model, *words)
    assert code == 3 and "daflow-jax[onnx]" in err and err.count("\n") == 1
    code, _, err = daflow("export", "--model", model, *words, "--platforms", "cpu")
    assert code == 2 and "its runtime decides where" in err


def test_torchvisions_weights_are_written_and_read_back(daflow, tmp_path):
    model = shipped.plain_raft(tmp_path / "raft")
    words = ("export", "--model", model, "--format", "torchvision", "--out", "tv", "--json")
    code, out, err = daflow(*words)
    assert code == 0, err
    assert json.loads(out)["file"] == "tv/raft_large.safetensors" and "uncertainty" in err
    assert daflow("convert", "weights", "tv/raft_large.safetensors", "back")[0] == 0
    ours = pretrained.flatten(api.load(model).variables)
    back = pretrained.flatten(api.load("back").variables)
    assert ours.keys() - back.keys() == json.loads(out)["ignored"].keys()
    assert all(np.array_equal(ours[key], back[key]) for key in back)
    assert daflow(*words)[0] == 2 and daflow(*words, "--overwrite")[0] == 0
    code, _, err = daflow(*words, "--overwrite", "--size", "128x128")
    assert code == 2 and "are not of this format" in err


def test_bad_usage_is_one_line(daflow, model):
    code, _, err = daflow("export", "--model", model, "--size", "128")
    assert code == 2 and "'128' is not HEIGHTxWIDTH" in err
    words = ("export", "--model", model, "--size", "128x128", "--platforms", "abacus", "--quiet")
    code, _, err = daflow(*words)
    assert code == 2 and "--platforms abacus" in err and err.count("\n") == 1
    code, _, err = daflow("export", "--model", model, "--format", "folder", "--slim")
    assert code == 2 and "has nothing that could be left out. Leave --slim out" in err
    words = ("--format", "folder", "--denoise-steps", 2)
    code, _, err = daflow("export", "--model", model, *words)
    assert code == 2 and "denoise_steps: is not an option of" in err


def test_kernels_in_8_bits_give_nearly_the_same_flow(daflow, model, tmp_path):
    words = ("--format", "folder", "--dtype", "int8", "--out", "small")
    code, out, err = daflow("export", "--model", model, *words, "--json")
    assert code == 0, err
    record, whole = json.loads(out), pretrained.load(model)
    assert 0.001 < record["error"] < 0.02
    files = [path / "model.safetensors" for path in (tmp_path / "small", pretrained.resolve(model))]
    assert files[0].stat().st_size < 0.4 * files[1].stat().st_size
    loaded = pretrained.load(tmp_path / "small")
    assert loaded.meta["parameters"] == whole.meta["parameters"]
    exact, back = pretrained.flatten(whole.variables), pretrained.flatten(loaded.variables)
    for name, array in back.items():
        channel = np.abs(exact[name]).max(tuple(range(array.ndim - 1)), keepdims=True)
        assert array.dtype == np.float32
        assert (np.abs(array - exact[name]) <= channel / 127 / 2 * 1.001).all()
    frames = tiny.frames(2)
    flows = [api.load(path)((frames[0], frames[1])) for path in (model, str(tmp_path / "small"))]
    assert 0 < np.abs(flows[0] - flows[1]).mean() < 0.05 * np.abs(flows[0]).mean()
    again = ("--format", "folder", "--dtype", "int8", "--out", "again", "--json")
    assert json.loads(daflow("export", "--model", "small", *again)[1])["error"] < 1e-6


def test_what_cannot_be_in_8_bits_is_one_line(daflow, model, tmp_path):
    words = ("--dtype", "int8", "--quiet")
    code, _, err = daflow("export", "--model", model, "--size", "128x128", *words)
    assert code == 2 and "are of --format folder" in err and err.count("\n") == 1
    with pytest.raises(errors.UserError, match="no kernel of 4096 weights .* Use bfloat16"):
        int8.layout({"params/a/kernel": (np.dtype(np.float32), (3, 3))})
    with pytest.raises(errors.UserError, match="params/a/kernel holds weights that are not fin"):
        int8.rounded("params/a/kernel", np.full((4, 4), np.nan))


@pytest.mark.slow
def test_slim_folder_is_smaller_and_gives_flow(daflow, tmp_path):
    frames = tiny.frames(2, 128, 128)
    for i, frame in enumerate(frames):
        image.write_image(tmp_path / f"{i}.png", frame)
    tiny.save_daflow(tmp_path / "full")
    words = ("--format", "folder", "--slim", "--out", "slim", "--json")
    code, out, err = daflow("export", "--model", "full", *words)
    assert code == 0, err
    full = (tmp_path / "full" / "model.safetensors").stat().st_size
    assert json.loads(out)["bytes"] < 0.9 * full
    terms = (tmp_path / "full" / "README.md").read_text()
    assert (tmp_path / "slim" / "README.md").read_text().startswith(terms)
    assert daflow("flow", "0.png", "1.png", "--model", "slim", "--iters", 1)[0] == 0
    code, _, err = daflow("export", "--model", "slim", *words[:3], "--out", "again")
    assert code == 2 and "is slim already" in err
    words = ("--denoise-steps", 2, "--tap-step", 1, "--out", "deeper")
    code, _, err = daflow("flow", "0.png", "1.png", "--model", "slim", *words)
    assert code == 2 and "slimmed to its first step" in err
