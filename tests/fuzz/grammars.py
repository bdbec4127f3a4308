"""Files that are written wrong on purpose: their outer form is right, what they say is not."""

import io
import json
import pickle
import random
import struct
import zipfile
import zlib

import numpy as np

from tests.fuzz import mutate, seeds

_GLOBALS = (
    ("torch._utils", "_rebuild_tensor_v2"), ("torch", "FloatStorage"), ("torch", "HalfStorage"),
    ("collections", "OrderedDict"), ("os", "system"), ("builtins", "eval"), ("builtins", "getattr"),
    ("torch._utils", "_rebuild_parameter"), ("torch.nn.modules.conv", "Conv2d"), ("torch", "Size"),
    ("numpy", "ndarray"), ("torch", "float32"), ("", ""), ("torch", "load"),
)  # fmt: skip
_NUMBERS = (0, 1, 2, 3, 32, 127, 255, -1, -5, 2**31, 2**40, 10**30)
_DTYPES = ("<f4", "<f8", "|b1", "<i8", "<c8", "|O", "<U5", "<m8[s]", "f4,f4", "<f2", "", ">f4")


def pth(rng: random.Random) -> bytes:
    """Returns a checkpoint whose tensors lie about storage, shape, strides, or a random program."""
    data = seeds.arrays()["fnet.conv1.weight"].tobytes()
    program = _tensors(rng) if rng.random() < 0.5 else _program(rng)
    if rng.random() < 0.2:
        program = mutate.damaged(rng, program)
    if rng.random() < 0.1:
        return program
    order = rng.choice((b"little", b"little", b"big", b"middle"))
    return seeds.torch_zip(program, {"0": data, "1": data[: rng.randint(0, 128)]}, order)


def _tensors(rng: random.Random) -> bytes:
    out = b"\x80\x02}("
    for name in seeds.arrays():
        lie = rng.random() < 0.4
        key = (
            _text(name) if rng.random() > 0.05 else rng.choice((_number(3), b"]", b"N", _text("")))
        )
        shape = rng.sample(_NUMBERS, rng.randint(0, 4)) if lie else (8, 4)
        strides = rng.sample(_NUMBERS, rng.randint(0, 4)) if rng.random() < 0.3 else (4, 1)
        offset = rng.choice(_NUMBERS) if rng.random() < 0.2 else 0
        out += key + _rebuild(rng, shape, strides, offset)
    return out + b"u."


def _rebuild(rng, shape, strides, offset) -> bytes:
    kind = rng.choice(("FloatStorage",) * 6 + ("HalfStorage", "LongStorage", "NoStorage"))
    size = rng.choice((32, 32, 32, 32, *_NUMBERS))
    storage = (
        b"(" + _text("storage") + _global("torch", kind) + _text(rng.choice(("0", "0", "1", "2")))
        + _text("cpu") + _number(size) + b"tQ"
    )  # fmt: skip
    tuples = b"".join(b"(" + b"".join(map(_number, values)) + b"t" for values in (shape, strides))
    hooks = _global("collections", "OrderedDict") + b")R"
    call = b"(" + storage + _number(offset) + tuples + b"\x89" + hooks + b"tR"
    state = b""
    if rng.random() < 0.2:  # what is built is changed after its check
        state = b"}(" + _text("shape") + b"(" + _number(2**30) + b"tub"
    return _global("torch._utils", "_rebuild_tensor_v2") + call + state


def _program(rng: random.Random) -> bytes:
    """Returns random opcodes that mostly keep the stack deep enough."""
    parts = [b"\x80\x02"]
    for _ in range(rng.randint(1, 40)):
        module, name = rng.choice(_GLOBALS)
        parts.append(
            rng.choice(
                (
                    b"(", b"t", b"]", b"}", b")", b"N", b"\x88", b"0", b"2", b"R", b"b", b"Q", b"s",
                    b"u", b"a", b"e", b"\x85", b"\x86", b"\x81", b"l", b"d", b"1",
                    _global(module, name), _number(rng.choice(_NUMBERS)), _text("x"), _text("0"),
                    b"r" + struct.pack("<I", rng.choice((0, 1, 3 * 10**8))), b"h\x00", b"q\x00",
                    b"\x8e" + struct.pack("<Q", rng.choice((4, 2**33, 2**63))) + b"abcd",
                    b"\x82\x01", b"\x97", b"\x98", b"\x96" + struct.pack("<Q", 2**40), b"B\xff\xff",
                )
            )
        )  # fmt: skip
    return b"".join(parts) + b"."


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def _number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def safetensors(rng: random.Random) -> bytes:
    """Returns a file whose header lies about types, shapes, offsets or its own length."""
    raw = seeds.safetensors()
    (length,) = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    for _ in range(rng.randint(1, 2)):
        name = rng.choice(sorted(header))
        entry = header[name]
        kind = rng.randrange(5) if isinstance(entry, dict) else 4
        if kind == 0 and "dtype" in entry:
            entry["dtype"] = rng.choice(("F16", "I32", "BF16", "F64", "F8", "", 3, None))
        elif kind == 1 and "shape" in entry:
            entry["shape"] = rng.choice(([], [2**62], [-1, 4], [8, 4.0], "x", None, [0], [4, 8]))
        elif kind == 2 and "data_offsets" in entry:
            entry["data_offsets"] = rng.choice(([0, 0], [-4, 4], [0, 2**60], [128, 0], [1], "x"))
        elif kind == 3:
            header[rng.choice(("", "a/b", "x" * 300, "\n", "__metadata__"))] = header.pop(name)
        else:
            header[name] = rng.choice(mutate.VALUES)
    text = json.dumps(header).encode()
    said = rng.choice((len(text),) * 6 + mutate.LIES + (2**40, 2**63))
    return struct.pack("<Q", said) + text + data


def pfm(rng: random.Random) -> bytes:
    """Returns a PFM with an odd kind, size or scale."""
    kind = rng.choice((b"PF", b"Pf", b"P5", b"pf", b""))
    size = rng.choice(
        (b"4 4", b"0 4", b"-4 4", b"4", b"4 4 4", b"99999999 99999999", b"4.5 4", b"\xb2 4")
    )
    scale = rng.choice((b"-1.0", b"1", b"0", b"nan", b"inf", b"-1e400", b"x", b"", b"-1e-40"))
    ends = rng.choice((b"\n", b"\r\n", b" ", b"\n# no\n"))
    return kind + ends + size + ends + scale + b"\n" + rng.randbytes(rng.choice((192, 192, 0, 100)))


def npy(rng: random.Random) -> bytes:
    """Returns an NPY whose header has odd types, shapes or words."""
    descr = rng.choice(_DTYPES)
    shape = rng.choice(
        (
            "(4, 4, 2)",
            "(4, 4)",
            "(2, 4, 4)",
            "(0, 4, 2)",
            "(-1, 4, 2)",
            "(9999999, 9999999, 2)",
            "4",
        )
    )
    order = rng.choice(("False", "True", "0", "None"))
    text = f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}, }}"
    if rng.random() < 0.2:
        text = rng.choice(("", "{", "__import__('os')", "[" * 5000, text.replace("'", '"', 1)))
    version = rng.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    body = text.encode() + b"\n"
    length = struct.pack("<I" if version > b"\x01\x00" else "<H", len(body))
    return b"\x93NUMPY" + version + length + body + rng.randbytes(rng.choice((128, 128, 64, 0)))


def flo5(rng: random.Random) -> bytes:
    """Returns an HDF5 file whose flow lies elsewhere, or is of an odd type, shape or chunking."""
    import h5py

    out, values = io.BytesIO(), np.zeros((4, 4, 2), np.float32)
    with h5py.File(out, "w") as file:
        kind = rng.randrange(7)
        if kind == 0:
            file.create_dataset("flow", (4, 4, 2), "f4", external=[("/etc/hostname", 0, 999)])
        elif kind == 1:
            layout = h5py.VirtualLayout((4, 4, 2), "f4")
            layout[...] = h5py.VirtualSource("b.h5", "flow", (4, 4, 2))
            file.create_virtual_dataset("flow", layout)
        elif kind == 2:
            file["flow"] = rng.choice((h5py.ExternalLink("b.h5", "x"), h5py.SoftLink("/flow")))
        elif kind == 3:
            file.create_dataset("flow", (10**5, 10**5, 2), "f4", chunks=True, compression="gzip")
        elif kind == 4:
            file["flow"] = rng.choice((values[..., 0], values[None], values[:0], values[..., :1]))
        elif kind == 5:
            file["flow"] = values.astype(rng.choice(("f8", "i4", "c8", "S3", "?", "f2")))
        else:
            file.create_group(rng.choice(("flow", "flows", "a/flow")))
    return out.getvalue()


def bomb(rng: random.Random) -> tuple[str, bytes]:
    """Returns (extension, file) that declares far more pixels than it holds, checksums right."""
    width, height = rng.choice(((40_000, 40_000), (2**31 - 1, 1), (1, 10**6), (60_000, 4), (0, 5)))
    kind = rng.choice(("png", "ppm", "bmp", "flo", "pfm", "gif"))
    packed = zlib.compress(bytes(rng.choice((0, 10**5, 10**7))), 9)
    if kind == "png":
        depth, colour = rng.choice(((8, 0), (8, 2), (16, 6), (1, 0), (8, 3)))
        said = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
        chunks = ((b"IHDR", said), (b"IDAT", packed), (b"IEND", b""))
        body = b"".join(map(_chunk, *zip(*chunks, strict=True)))
        return kind, b"\x89PNG\r\n\x1a\n" + body
    if kind == "ppm":
        return kind, b"P6 %d %d 255\n" % (width, height) + bytes(100)
    if kind == "pfm":
        return kind, b"PF\n%d %d\n-1\n" % (width, height) + bytes(100)
    if kind == "flo":
        return kind, b"PIEH" + struct.pack("<II", width, height) + bytes(100)
    good = bytearray(seeds.picture(kind))
    place = 18 if kind == "bmp" else 6
    form = "<ii" if kind == "bmp" else "<HH"
    sides = (width, height) if kind == "bmp" else (width % 65536, height % 65536)
    good[place : place + struct.calcsize(form)] = struct.pack(form, *sides)
    return kind, bytes(good)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def npz(rng: random.Random) -> bytes:
    """Returns an archive of odd members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((0, 8, 12, 14))) as archive:
        for name in rng.sample(("flow.npy", "valid.npy", "../x.npy", "arr_0.npy", "a.txt", ""), 2):
            member = npy(rng)
            if rng.random() < 0.5:
                plain = io.BytesIO()
                np.save(plain, np.zeros((4, 4, rng.choice((1, 2, 3))), np.float32))
                member = plain.getvalue()
            archive.writestr(name or "/", member)
    return out.getvalue()
