"""Model folders: what goes in comes out; what does not fit is named."""

import json

import ml_dtypes
import numpy as np
import pytest
from flax import traverse_util

from daflow_jax import errors, pretrained
from tests import tiny


def test_load_returns_what_was_saved(tmp_path):
    tiny.save(tmp_path / "m")
    loaded = pretrained.load(tmp_path / "m")
    assert loaded.config == tiny.config()
    assert loaded.meta["name"] == "tiny" and loaded.meta["defaults"] == {"iters": tiny.ITERS}
    saved = traverse_util.flatten_dict(tiny.variables(), sep="/")
    back = traverse_util.flatten_dict(loaded.variables, sep="/")
    assert saved.keys() == back.keys() and "params/fnet/conv1/kernel" in back
    for name, array in saved.items():
        np.testing.assert_array_equal(back[name], array, strict=True)


def test_bfloat16_weights_keep_their_type(tmp_path):
    flat = traverse_util.flatten_dict(tiny.variables(), sep="/")
    flat = {name: array.astype(ml_dtypes.bfloat16) for name, array in flat.items()}
    half = traverse_util.unflatten_dict(flat, sep="/")
    pretrained.save(tmp_path, tiny.config(), half, name="half")
    back = pretrained.load(tmp_path).variables["params"]["fnet"]["conv1"]["kernel"]
    np.testing.assert_array_equal(back, half["params"]["fnet"]["conv1"]["kernel"], strict=True)


def test_names_resolve_in_model_roots_and_paths_win(tmp_path, monkeypatch):
    monkeypatch.setenv("DAFLOW_MODELS", str(tmp_path / "roots"))
    monkeypatch.setenv("DAFLOW_CACHE", str(tmp_path / "cache"))
    named = tiny.save(tmp_path / "roots" / "mine")
    assert pretrained.resolve("mine") == named
    assert pretrained.resolve(named / "model.safetensors") == named
    assert "mine" in pretrained.available()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "rafd-small",
            "rafd-small: is neither a model folder nor a known model. Did you mean raft-small",
        ),
        ("daflow-base", "daflow-base: has no weights on this machine. Train it or convert"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(name, message, monkeypatch, tmp_path):
    monkeypatch.setenv("DAFLOW_CACHE", str(tmp_path))
    with pytest.raises(errors.UserError, match=message) as refusal:
        pretrained.resolve(name)
    assert refusal.value.code == 2


def test_a_folder_without_config_names_the_one_below_that_has_it(tmp_path):
    tiny.save(tmp_path / "best")
    with pytest.raises(errors.UserError, match="config.json: not found.*Did you mean .*best"):
        pretrained.load(tmp_path)


def _edit_config(folder, **changes):
    meta = json.loads((folder / "config.json").read_text())
    meta.pop("config_sha256", None)
    (folder / "config.json").write_text(json.dumps({**meta, **changes}))


def test_another_configuration_names_missing_extra_and_misshapen(tmp_path):
    tiny.save(tmp_path)
    arch = json.loads((tmp_path / "config.json").read_text())["arch"]
    _edit_config(tmp_path, arch={**arch, "features": 24})
    with pytest.raises(errors.UserError, match=r"\d+ mis-shaped \(params/fnet/conv2/bias"):
        pretrained.load(tmp_path)
    _edit_config(tmp_path, arch={**arch, "small": False})
    with pytest.raises(errors.UserError, match=r"\d+ missing \(batch_stats/.*\d+ extra"):
        pretrained.load(tmp_path)
    _edit_config(tmp_path, arch={**arch, "featurs": 24})
    with pytest.raises(errors.UserError, match=r"config.json: .*unknown fields \['featurs'\]"):
        pretrained.load(tmp_path)


def test_damaged_folders_are_refused(tmp_path):
    tiny.save(tmp_path)
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4] + b"\0\0\0\1")
    with pytest.raises(errors.UserError, match="is not what config.json names"):
        pretrained.load(tmp_path)
    _edit_config(tmp_path, format=2)
    with pytest.raises(errors.UserError, match="format 2; this version reads 1. Update"):
        pretrained.load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(errors.UserError, match="config.json: is not JSON"):
        pretrained.load(tmp_path)


def test_truncated_weights_without_a_hash_are_refused(tmp_path):
    tiny.save(tmp_path)
    meta = json.loads((tmp_path / "config.json").read_text())
    del meta["sha256"], meta["config_sha256"]
    (tmp_path / "config.json").write_text(json.dumps(meta))
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(errors.UserError, match="model.safetensors: is damaged"):
        pretrained.load(tmp_path)


def test_shards_hold_the_same_arrays_and_leave_no_other_file(tmp_path):
    whole = pretrained.load(tiny.save(tmp_path))
    flat = pretrained.flatten(whole.variables)
    layout = {key: (np.dtype(np.float16), value.shape) for key, value in flat.items()}
    largest = max(value.size for value in flat.values()) * 2
    pretrained.write(tmp_path, whole.config, layout, flat.items(), name="x", shard_bytes=largest)
    files = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert len(files) > 2 and files[0] == f"model-00001-of-{len(files):05d}.safetensors"
    assert all((tmp_path / file).stat().st_size < 1.5 * largest for file in files)
    again = pretrained.flatten(pretrained.load(tmp_path).variables)
    for key, value in flat.items():
        np.testing.assert_array_equal(again[key], value.astype(np.float16))
    (tmp_path / files[1]).unlink()
    with pytest.raises(errors.UserError, match=f"{files[1]}: not found"):
        pretrained.load(tmp_path)
