"""Which devices exchange data: replica groups as HLO writes them, and the mesh axes they span."""

import re
from collections.abc import Mapping

import numpy as np

_LISTED = re.compile(r"replica_groups=\{(\{[\d,{} ]*\})\}")
_IOTA = re.compile(r"replica_groups=(\[[\d,]+\]<=\[[\d,]+\](?:T\([\d,]+\))?)")
_MESH = re.compile(
    r"replica_groups=@?\w*mesh\[([^\]]*)\](?:, device_ids=\(?([^ )]*\)?)\)?)? \{([^}]*)\}"
)
_PAIRS = re.compile(r"source_target_pairs=\{(\{[\d,{} ]*\})\}")


def parse(text: str) -> np.ndarray:
    """Returns the groups (count, members) of device positions that an instruction's attributes
    name; pairs of a permutation are groups of two.

    Notations: {{0,1},{2,3}}; [2,2]<=[2,2]T(1,0), an iota that is reshaped and transposed; and
    mesh['a'=2,'b'=2], device_ids=([4]) {'a'}, groups along axes of a mesh. Raises ValueError for
    another one.
    """
    if match := _MESH.search(text):
        return _along(match[1], match[2], match[3])
    if match := _IOTA.search(text):
        shape, ids = match[1].split("<=", 1)
        return _iota(ids).reshape(_numbers(shape))
    if match := _LISTED.search(text) or _PAIRS.search(text):
        rows = re.findall(r"\{([\d, ]*)\}", match[1])
        return np.array([_numbers(row) for row in rows])
    raise ValueError(f"no replica groups in {text[:200]!r}")


def axes(members: np.ndarray, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """Returns the axes of a mesh of these sizes along which some group extends."""
    places = np.stack(np.unravel_index(members, tuple(sizes.values())), -1)
    varies = (places != places[:, :1]).any(axis=(0, 1))
    return tuple(name for name, moved in zip(sizes, varies, strict=True) if moved)


def _numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", text)]


def _iota(text: str) -> np.ndarray:
    """Returns the numbers that "[4,4]T(1,0)" stands for, with the transposed shape."""
    dims, _, order = text.partition("T")
    ids = np.arange(np.prod(_numbers(dims))).reshape(_numbers(dims))
    return ids.transpose(_numbers(order)) if order else ids


def _along(mesh: str, ids: str | None, over: str) -> np.ndarray:
    sizes = {name: int(n) for name, n in re.findall(r"'([^']*)'=(\d+)", mesh)}
    places = _iota(ids) if ids else np.arange(np.prod(list(sizes.values())))
    places, names = places.reshape(list(sizes.values())), list(sizes)
    for name, before, length in re.findall(r"'([^']*)':\((\d+)\)(\d+)", over):  # part of an axis
        i, before, length = names.index(name), int(before), int(length)
        split = (before, length, sizes[name] // before // length)
        places = places.reshape(*places.shape[:i], *split, *places.shape[i + 1 :])
        names[i : i + 1] = [f"{name}<", name, f"{name}>"]
    inside = [names.index(name) for name in re.findall(r"'([^']*)'", over)]
    outside = [i for i in range(len(names)) if i not in inside]
    grouped = places.transpose(outside + inside)
    return grouped.reshape(-1, int(np.prod([places.shape[i] for i in inside])))
