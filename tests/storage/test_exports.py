"""`daflow export` into a bucket: the files of every format are those of an export to a disk."""

import runpy

import pytest

from daflow_jax import cli
from daflow_jax.io import storage
from tests import shipped, tiny

FORMATS = {  # words, the file that a second export finds
    "torchvision": (["--model", "LARGE"], "load_example.py"),
    "folder": (["--model", "TINY", "--dtype", "float16"], "config.json"),
    "stablehlo": (["--model", "TINY", "--size", "128x128", "--iters", "1"], "signature.json"),
    "onnx": (["--model", "TINY", "--size", "128x128", "--iters", "1"], "signature.json"),
}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("torchvision", "stablehlo", "onnx")]


@pytest.mark.parametrize("name", ["folder", *SLOW])
def test_an_export_there_is_the_one_here(name, bucket, tmp_path, monkeypatch, capsys):
    if name == "onnx":
        pytest.importorskip("jax2onnx", reason="needs the extra onnx")
        pytest.importorskip("onnxruntime")
    monkeypatch.setenv("DAFLOW_CACHE", str(tmp_path / "cache"))
    words, last = FORMATS[name]
    made = {"TINY": tiny.save, "LARGE": shipped.plain_raft}
    words = [str(made[word](tmp_path / "model")) if word in made else word for word in words]
    words = ["export", "--format", name, *words]
    here, there = tmp_path / "out", f"{bucket}/out"
    for out in (str(here), there):
        assert cli.main([*words, "--out", out, "--quiet"]) == 0
    names = sorted(path.name for path in here.iterdir())
    place = storage.place(there)
    assert sorted(path.name for path in place.iterdir()) == names and last in names
    for file in names:
        assert (place / file).read_bytes() == (here / file).read_bytes(), file
    capsys.readouterr()
    assert cli.main([*words, "--out", there, "--quiet"]) == 2
    assert there in capsys.readouterr().err
    assert cli.main([*words, "--out", there, "--quiet", "--overwrite"]) == 0
    if name in ("stablehlo", "onnx"):
        fetched = tmp_path / "fetched"
        fetched.mkdir()
        for file in names:
            (fetched / file).write_bytes((place / file).read_bytes())
        runpy.run_path(str(fetched / "load_example.py"))
        assert "(1, 1, 128, 128, 2) float32" in capsys.readouterr().out
