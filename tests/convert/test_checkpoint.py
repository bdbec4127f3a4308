"""Checkpoints in every container give the same arrays; what is broken is named."""

import json
import struct

import ml_dtypes
import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.convert import checkpoint
from daflow_jax.io import safetensors_file

ARRAYS = {
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.bias": np.arange(3).astype(ml_dtypes.bfloat16),
    "b.weight": np.float16([[1.5], [2.5]]),
    "scalar": np.array(3, np.float32),
}


def save(path, arrays):
    layout = {name: (np.asarray(x).dtype, np.shape(x)) for name, x in arrays.items()}
    safetensors_file.write(path, layout, ((n, np.asarray(x)) for n, x in arrays.items()))
    return path


def shards(folder):
    parts = {"one.safetensors": ["a.weight", "scalar"], "two.safetensors": ["a.bias", "b.weight"]}
    for file, names in parts.items():
        save(folder / file, {name: ARRAYS[name] for name in names})
    where = {name: file for file, names in parts.items() for name in names}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))
    return index


def same(state):
    assert sorted(state) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(state[name], array, strict=True)


def test_a_file_and_an_indexed_folder_give_the_same_arrays_in_their_dtypes(tmp_path):
    same(checkpoint.read(save(tmp_path / "all.safetensors", ARRAYS)))
    (tmp_path / "parts").mkdir()
    index = shards(tmp_path / "parts")
    same(checkpoint.read(index))
    same(checkpoint.read(index.parent))


def test_another_reader_reads_what_we_write(tmp_path):
    from safetensors import numpy as safetensors_numpy

    state = safetensors_numpy.load_file(save(tmp_path / "a.safetensors", ARRAYS))
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(state[name], array)


def test_wrapper_prefixes_are_removed_only_if_all_names_have_them(tmp_path):
    wrapped = {f"module.{name}": x for name, x in ARRAYS.items()}
    same(checkpoint.read(save(tmp_path / "a.safetensors", wrapped)))
    mixed = checkpoint.read(save(tmp_path / "b.safetensors", {**wrapped, "x": ARRAYS["scalar"]}))
    assert "module.a.weight" in mixed


def test_a_lone_array_has_no_need_of_a_name(tmp_path):
    np.save(tmp_path / "x.npy", ARRAYS["a.weight"].T)  # in Fortran's order
    region = checkpoint.read_one(tmp_path / "x.npy")
    assert region.shape == (3, 2)
    np.testing.assert_array_equal(checkpoint.read(tmp_path / "x.npy")[""], ARRAYS["a.weight"].T)


def broken_index(folder):
    index = shards(folder)
    index.write_text("{}")
    return index


def missing_shard(folder):
    index = shards(folder)
    (folder / "two.safetensors").unlink()
    return index


def foreign_shard(folder):
    index = shards(folder)
    save(folder / "two.safetensors", {"a.bias": ARRAYS["a.bias"], "c": ARRAYS["scalar"]})
    return index


def truncated(folder):
    path = save(folder / "a.safetensors", ARRAYS)
    path.write_bytes(path.read_bytes()[:-1])
    return path


def flipped_header(folder):
    path = save(folder / "a.safetensors", ARRAYS)
    data = bytearray(path.read_bytes())
    data[30] ^= 0x80
    path.write_bytes(data)
    return path


def unknown_dtype(folder):
    path = folder / "a.safetensors"
    header = b'{"x":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0")
    return path


def two_in_one_folder(folder):
    save(folder / "a.safetensors", ARRAYS)
    save(folder / "b.safetensors", ARRAYS)
    return folder


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (broken_index, "has no field weight_map"),
        (missing_shard, "two.safetensors: not found; model.safetensors.index.json names it"),
        (foreign_shard, r"lack \['b.weight'\] and hold \['c'\]"),
        (truncated, "is damaged"),
        (flipped_header, "is damaged"),
        (unknown_dtype, "dtype F8_E4M3"),
        (two_in_one_folder, "holds several checkpoints"),
        (lambda folder: folder, "holds no checkpoint"),
        (lambda folder: folder / "none.safetensors", "not found"),
        (lambda folder: folder / "none.safetensors.index.json", "not found"),
    ],
)
def test_what_is_broken_is_named(tmp_path, make, rule):
    with pytest.raises(errors.UserError, match=rule):
        checkpoint.read(make(tmp_path))


def test_writing_fails_whole(tmp_path):
    layout = {"a": (np.dtype(np.float32), (2,)), "b": (np.dtype(np.float32), (2,))}

    def arrays():
        yield "a", np.zeros(2, np.float32)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        safetensors_file.write(tmp_path / "x.safetensors", layout, arrays())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("weight_map", "rule"),
    [
        ("[]", "weight_map is a list; it has to be an object of texts"),
        ('{"a": null}', "weight_map is an object; it has to be an object of texts"),
        ('{"a": "../secret.safetensors"}', "names the shard '../secret.safetensors'; shards lie"),
        ('{"a": "x", "a": "y"}', 'is not JSON .it names "a" twice'),
        ('{"a": ' + "[" * 5000 + "]" * 5000 + "}", "nests deeper than 100 levels"),
    ],
)
def test_odd_indices_are_named(weight_map, rule, tmp_path):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(f'{{"weight_map": {weight_map}}}')
    with pytest.raises(errors.UserError, match=f"index.json: {rule}"):
        checkpoint.read(index)
