"""The checkpoint reader: both containers, and nothing but tensors."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.convert import torch_file
from daflow_jax.io import mapped

VALUES = np.arange(12, dtype=np.float32)


class _Global:
    """Pickles as a reference to module.name, called with `arguments`."""

    def __init__(self, module, name, *arguments):
        self.module, self.name, self.arguments = module, name, arguments


class _Pickler(pickle._Pickler):  # pyright: ignore
    """Writes what torch.save writes, without torch."""

    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, _StorageId) else None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, _Global):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
            if obj.arguments:
                self.save(obj.arguments)
                self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


class _StorageId:
    def __init__(self, key, count, legacy):
        kind = _Global("torch", "FloatStorage")
        self.pid = ("storage", kind, key, "cpu", count, *((None,) if legacy else ()))


def _dump(obj):
    out = io.BytesIO()
    _Pickler(out, 2).dump(obj)
    return out.getvalue()


def _tensor(legacy=False, shape=(2, 3), strides=(1, 4), offset=1):
    storage = _StorageId("0", len(VALUES), legacy)
    arguments = (storage, offset, shape, strides, False, _Global("collections", "OrderedDict"))
    return _Global("torch._utils", "_rebuild_tensor_v2", *arguments)


def _zip(path, tree, compression=zipfile.ZIP_STORED, **entries):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", _dump(tree))
        archive.writestr("archive/data/0", VALUES.tobytes())
        for name, text in entries.items():
            archive.writestr(f"archive/{name}", text)
    return path


def _legacy(path, tree, version=1001):
    head = [0x1950A86A20F9469CFC6C, version, {"little_endian": True}]
    body = b"".join(_dump(part) for part in [*head, tree, ["0"]])
    path.write_bytes(body + struct.pack("<q", len(VALUES)) + VALUES.tobytes())
    return path


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: {"state_dict": d, "epoch": 3}])
def test_both_containers_give_the_tensors_with_their_strides(tmp_path, wrap):
    expected = VALUES[1:].reshape(-1)[np.array([[0, 4, 8], [1, 5, 9]])]
    for write, legacy in ((_zip, False), (_legacy, True)):
        path = write(tmp_path / "a.pth", wrap({"x.weight": _tensor(legacy)}))
        state = torch_file.read(path)
        assert list(state) == ["x.weight"]
        np.testing.assert_array_equal(state["x.weight"], expected)


def test_averaged_weights_are_taken_where_a_file_has_both(tmp_path):
    tree = {"params": {"plain": _tensor()}, "params_ema": {"averaged": _tensor()}}
    assert list(torch_file.read(_zip(tmp_path / "a.pth", tree))) == ["averaged"]


def test_malicious_pickle_runs_nothing_and_is_named(tmp_path):
    witness = tmp_path / "ran"
    path = _zip(tmp_path / "evil.pth", {"x": _Global("os", "system", f"touch {witness}")})
    with pytest.raises(errors.UserError, match="asks for os.system, which is not a tensor"):
        torch_file.read(path)
    assert not witness.exists()


def test_broken_files_are_refused(tmp_path):
    path = _legacy(tmp_path / "short.pth", {"x": _tensor(True)})
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(errors.UserError, match="not a readable PyTorch checkpoint"):
        torch_file.read(path)
    with pytest.raises(errors.UserError, match="beyond its storage"):
        torch_file.read(_zip(tmp_path / "far.pth", {"x": _tensor(strides=(1, 400))}))
    with pytest.raises(errors.UserError, match="holds no tensors"):
        torch_file.read(_zip(tmp_path / "none.pth", {"x": 3}))
    with pytest.raises(errors.UserError, match="not found"):
        torch_file.read(tmp_path / "missing.pth")


def test_a_tensor_without_a_name_is_read(tmp_path):
    state = torch_file.read(_zip(tmp_path / "a.pt", _tensor(), version="3\n", byteorder="little"))
    np.testing.assert_array_equal(state[""], VALUES[1:][np.array([[0, 4, 8], [1, 5, 9]])])


def test_flipped_bits_unknown_versions_and_compression_are_refused(tmp_path):
    path = _zip(tmp_path / "flipped.pth", {"x": _tensor()})
    data = bytearray(path.read_bytes())
    data[data.index(VALUES.tobytes()) + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(errors.UserError, match="checksum of archive/data/0 is wrong"):
        torch_file.read(path)
    with pytest.raises(errors.UserError, match="format version 99, which is unknown"):
        torch_file.read(_zip(tmp_path / "new.pth", {"x": _tensor()}, version="99\n"))
    with pytest.raises(errors.UserError, match="format version 7, which is unknown"):
        torch_file.read(_legacy(tmp_path / "old.pth", {"x": _tensor(True)}, version=7))
    with pytest.raises(errors.UserError, match="compressed"):
        torch_file.read(_zip(tmp_path / "small.pth", {"x": _tensor()}, zipfile.ZIP_DEFLATED))


def _text(data):
    return b"X" + struct.pack("<I", len(data)) + data


def _reduced(name, *arguments):
    """Opcodes that call torch._utils.`name` with the opcodes of its arguments."""
    return b"ctorch._utils\n%b\n(" % name.encode() + b"".join(arguments) + b"tR"


STORAGE = b"(" + _text(b"storage") + b"ctorch\nFloatStorage\n" + _text(b"0")
STORAGE += _text(b"cpu") + b"K\x0ctQ"
TENSOR = _reduced("_rebuild_tensor_v2", STORAGE, b"K\0", b"K\x02K\x02\x86K\x02K\x01\x86")
FAR = b"X\x07\0\0\0stridesJ\0\0\0\x10K\x01\x86s"  # {"strides": (2**28, 1)}
KEYS = {"bytes": b"C\x01a", "int": b"K\x01", "tuple": b"K\x01\x85"}
HOSTILE = {
    "state of a tensor": (b"}X\1\0\0\0a" + TENSOR + b"}" + FAR + b"bs.", "changes an object"),
    "slots of a tensor": (b"}X\1\0\0\0a" + TENSOR + b"N}" + FAR + b"\x86bs.", "changes an object"),
    "state of a storage": (STORAGE + b"}X\4\0\0\0sizeJ\0\0\0\x10sb.", "changes an object"),
    "state of a class": (b"ctorch\nFloatStorage\n}X\4\0\0\0nameK\1sb.", "changes an object"),
    "state of a function": (b"ctorch._utils\n_rebuild_tensor\n}X\1\0\0\0aK\1sb.", "changes an obj"),
    "defaults of a function": (
        b"ctorch._utils\n_rebuild_parameter\nN}X\x0c\0\0\0__defaults__K\1\x85s\x86b.",
        "changes an object",
    ),
    "a far memo": (b"Nr\0\0\0\x12.", "keeps object 301989888 where 2 came before"),
    "long bytes": (b"\x8e" + struct.pack("<q", 1 << 40) + b"x.", "announces 1099511627776 bytes"),
    "negative strides": (
        _reduced("_rebuild_tensor_v2", STORAGE, b"K\4", b"K\2\x85", b"J\xff\xff\xff\xff\x85")
        + b".",
        "not a storage",
    ),
    "few strides": (
        _reduced("_rebuild_tensor_v2", STORAGE, b"K\0", b"K\2K\2\x86", b"K\1\x85") + b".",
        "shape .2, 2. and strides .1,",
    ),
    "values repeated": (
        _reduced("_rebuild_tensor_v2", STORAGE, b"K\0", b"J\0\0\0\x40\x85", b"K\0\x85") + b".",
        "repeats 12 values to 1073741824",
    ),
    **{
        f"a name of {kind}": (b"}" + key + TENSOR + b"s.", "names a tensor .*, which is not text")
        for kind, key in KEYS.items()
    },
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_pickle_cannot_describe_what_is_not_in_the_file(case, tmp_path):
    code, rule = HOSTILE[case]
    path = tmp_path / "hostile.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + code)
        archive.writestr("archive/data/0", VALUES.tobytes())
    with pytest.raises(errors.UserError, match=f"hostile.pth: .*{rule}") as refusal:
        torch_file.read(path)
    assert "\n" not in str(refusal.value)


def test_the_hand_written_tensor_is_sound_and_attributes_of_dicts_are_dropped(tmp_path):
    path = tmp_path / "good.pth"
    table = b"ccollections\nOrderedDict\n)R}X\x05\0\0\0itemsNsbX\x01\0\0\0a" + TENSOR + b"s."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + table)
        archive.writestr("archive/data/0", VALUES.tobytes())
    np.testing.assert_array_equal(torch_file.read(path)["a"], [[0, 1], [2, 3]])


def test_a_region_outside_its_file_is_never_mapped(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(64))
    kind = np.dtype(np.float32)
    for region in (
        mapped.Region(path, 0, kind, (4, 4), (16, -4)),
        mapped.Region(path, -4, kind, (4,)),
        mapped.Region(path, 0, kind, (2**40, 2**40)),
        mapped.Region(path, 60, kind, (2,), (4,)),
        mapped.Region(path, 0, kind, (2, 2), (4,)),
    ):
        with pytest.raises(errors.UserError, match="values that are not inside the file"):
            mapped.MappedArrays({"x": region})
