"""config.json: every field typed, every range held, every flip noticed."""

import json
import logging
import random
import shutil
import time

import numpy as np
import pytest

from daflow_jax import errors, models, pretrained
from daflow_jax.io import safetensors_file
from daflow_jax.pretrained import meta as description
from tests import tiny


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "tiny")


def edit(folder, place, value, keep_hash=False):
    """Sets the field at a dotted place; the hash is removed, as one who edits by hand does."""
    file = folder / "config.json"
    meta = json.loads(file.read_text())
    *parents, name = place.split(".")
    node = meta
    for parent in parents:
        node = node[parent]
    node[name] = value
    if not keep_hash:
        meta.pop("config_sha256", None)
    file.write_text(json.dumps(meta))


WRONG = [
    ("format", [1], "format is a list; it has to be a whole number"),
    ("format", True, "format is true; it has to be a whole number"),
    ("name", ["a"], "name is a list; it has to be text"),
    ("name", "../../x", 'its name is "../../x", which is not a name'),
    ("name", "a\nb", "which is not a name"),
    ("arch", None, "arch is null; it has to be an object"),
    ("arch.family", 3, "arch.family is 3; it has to be text"),
    ("arch.family", "vae", "unknown fields"),
    ("arch.small", "yes", 'arch.small is "yes"; it has to be true or false'),
    ("arch.small", 1, "arch.small is 1; it has to be true or false"),
    ("arch.widths", "abcd", 'arch.widths is "abcd"; it has to be a list of 4 whole numbers'),
    ("arch.widths", [8.0, 8, 16, 16], "arch.widths is a list; it has to be a list of 4 whole"),
    ("arch.widths", [8, 8, 16], "arch.widths is a list; it has to be a list of 4 whole numbers"),
    ("arch.widths", [-8, 8, 16, 16], "widths: is .-8, 8, 16, 16.. Use whole numbers of 1 to 65536"),
    ("arch.features", None, "arch.features is null; it has to be a whole number"),
    ("arch.features", 10**30, "features: is 10+. Use whole numbers of 1 to 65536"),
    ("arch.levels", -1, "levels: is -1. Use whole numbers of 1 to 8"),
    ("arch.radius", 10**6, "radius: is 1000000. Use whole numbers of 1 to 64"),
    ("arch.lookup", "eval", 'lookup is "eval"; it has to be one of gather, matmul'),
    ("arch.var_max", float("nan"), "arch.var_max is NaN; it has to be a number"),
    ("input", None, "input is null; it has to be an object"),
    ("defaults", [], "defaults is a list; it has to be an object"),
    ("defaults.iters", 2.5, "defaults.iters is 2.5; it has to be a whole number of 1 to 10000"),
    ("defaults.iters", 0, "defaults.iters is 0; it has to be"),
    ("defaults.iters", 10**9, "defaults.iters is 1000000000; it has to be"),
    ("defaults.iters", float("nan"), "defaults.iters is NaN; it has to be"),
    ("defaults.scales", [1000], "defaults.scales is a list; it has to be a list of numbers of"),
    ("defaults.scales", [-0.5], "defaults.scales is a list; it has to be a list of numbers of"),
    ("defaults.scales", [0], "defaults.scales is a list; it has to be a list of numbers of"),
    ("defaults.scales", "0.5", 'defaults.scales is "0.5"; it has to be a list of numbers of'),
    ("training", "x", 'training is "x"; it has to be an object'),
    ("parameters", "many", 'parameters is "many"; it has to be a whole number'),
    ("shards", 1.5, "shards is 1.5; it has to be a whole number of 1 to 10000"),
    ("shards", 3 * 10**7, "shards is 30000000; it has to be a whole number of 1 to 10000"),
    ("shards", -3, "shards is -3; it has to be a whole number of 1 to 10000"),
    ("sha256", None, "sha256 is null; it has to be text"),
]


@pytest.mark.parametrize(("place", "value", "rule"), WRONG)
def test_wrong_fields_are_named_at_once(place, value, rule, folder):
    edit(folder, place, value)
    start = time.monotonic()
    with pytest.raises(errors.UserError, match=f"config.json: .*{rule}") as refusal:
        pretrained.load(folder)
    assert "\n" not in str(refusal.value) and time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (b"[]", "is not a JSON object but a list"),
        (b"null", "is not a JSON object but null"),
        (b"\xff\xfe{\0}\0", "is not JSON"),
        (b'{"arch": ' * 3000 + b"1" + b"}" * 3000, "nests deeper than 100 levels"),
        (b'{"format": 1, "format": 1, "arch": {}}', 'is not JSON .it names "format" twice.'),
    ],
)
def test_what_is_no_object_is_named(text, rule, folder):
    (folder / "config.json").write_bytes(text)
    with pytest.raises(errors.UserError, match=f"config.json: {rule}"):
        pretrained.load(folder)


def test_every_flipped_bit_that_changes_something_is_noticed(folder):
    file = folder / "config.json"
    whole = file.read_bytes()
    meta = json.loads(whole)
    rng = random.Random(0)
    for _ in range(40):
        data = bytearray(whole)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            changed = json.loads(bytes(data)) != meta
        except (ValueError, UnicodeDecodeError):
            changed = True
        file.write_bytes(data)
        if not changed:
            continue
        if b'"config_sha256"' not in data:  # said instead: see below
            continue
        with pytest.raises(errors.UserError, match="config.json|model.safetensors"):
            pretrained.load(folder)


def test_an_edit_is_refused_and_the_remedy_works(folder, caplog):
    edit(folder, "defaults.iters", 7, keep_hash=True)
    with pytest.raises(errors.UserError, match="config.json: is not what was saved.*remove the"):
        pretrained.load(folder)
    edit(folder, "defaults.iters", 7)
    with caplog.at_level(logging.WARNING):
        assert pretrained.load(folder).meta["defaults"] == {"iters": 7}
    assert [r.getMessage().partition(" has ")[2] for r in caplog.records] == [
        "no config_sha256: damage to the configuration goes unnoticed"
    ]


def test_a_missing_hash_of_the_weights_is_said(folder, caplog):
    meta = json.loads((folder / "config.json").read_text())
    del meta["sha256"], meta["config_sha256"]
    meta["config_sha256"] = description.digest(meta)
    (folder / "config.json").write_text(json.dumps(meta, indent=7))
    with caplog.at_level(logging.WARNING):
        pretrained.load(folder)
    assert "has no sha256: damage to the weights goes unnoticed" in caplog.text


def test_weights_that_are_no_fractions_are_refused(folder):
    flat = dict(safetensors_file.read(folder / "model.safetensors"))
    layout = {name: (np.dtype(np.int32), array.shape) for name, array in flat.items()}
    sha = safetensors_file.write(folder / "model.safetensors", layout, flat.items())
    edit(folder, "sha256", sha)
    with pytest.raises(errors.UserError, match="model.safetensors: .* holds int32; weights are"):
        pretrained.load(folder)


def test_the_shipped_model_carries_both_hashes(caplog):
    with caplog.at_level(logging.WARNING):
        meta = pretrained.load(pretrained.resolve(pretrained.DEFAULT_MODEL)).meta
    assert {"sha256", "config_sha256"} <= set(meta) and not caplog.records


def test_a_part_that_a_network_cannot_do_without_is_named():
    with pytest.raises(errors.UserError, match="daflow.backbone: is missing"):
        models.from_dict({"family": "daflow"})
