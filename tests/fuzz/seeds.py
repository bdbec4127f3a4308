"""The good files that are damaged, made once for a run; all are small."""

import contextlib
import functools
import io
import json
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from daflow_jax.io import flow as flow_files
from daflow_jax.io import safetensors_file
from tests import tiny
from tests.io import videos

PICTURES = ("png", "jpg", "bmp", "tiff", "webp", "ppm", "pgm", "jp2", "gif", "avif")
FLOWS = ("flo", "png", "pfm", "flo5", "npy", "npz", "exr", "tif")
MODELS = {"flow": tiny.save, "daflow": tiny.save_daflow, "restorer": tiny.save_restorer}
VIDEOS = {
    "mp4": ("libx264", "yuv420p"),
    "mkv": ("libx264", "yuv420p"),
    "webm": ("libvpx", "yuv420p"),
    "avi": ("mpeg4", "yuv420p"),
    "mov": ("mjpeg", "yuvj420p"),
}


@functools.cache
def frame() -> np.ndarray:
    """Returns a uint8 frame (48, 64, 3)."""
    return videos.moving(1, 48, 64)[0]


@functools.cache
def picture(kind: str) -> bytes:
    """Returns a picture of a format, by extension."""
    if kind in ("gif", "avif"):
        from PIL import Image

        out = io.BytesIO()
        Image.fromarray(frame()).save(out, kind.upper())
        return out.getvalue()
    image = frame()[..., 0] if kind == "pgm" else frame()
    return cv2.imencode(f".{kind}", image)[1].tobytes()


@functools.cache
def flow(kind: str) -> bytes:
    """Returns a flow file of a format, by extension."""
    y, x = np.mgrid[:24, :32].astype(np.float32)
    values = np.stack([np.sin(x / 5) * 3, y / 8 - 1], -1)
    return _written(f"a.{kind}", lambda path: flow_files.write_flow(path, values))


@functools.cache
def video(kind: str) -> bytes:
    """Returns a video of six frames, by extension."""
    codec, pixels = VIDEOS[kind]
    frames = videos.moving(6, 48, 64)
    return _written(f"a.{kind}", lambda path: videos.make(path, frames, codec, pixels))


@functools.cache
def arrays() -> dict[str, np.ndarray]:
    """Returns a few arrays as a checkpoint holds them."""
    rng = np.random.default_rng(0)
    names = ("fnet.conv1.weight", "fnet.conv1.bias", "update_block.gru.convz1.weight")
    return {name: rng.normal(size=(8, 4)).astype(np.float32) for name in names}


@functools.cache
def safetensors() -> bytes:
    """Returns those arrays as a .safetensors file."""
    layout = {name: (value.dtype, value.shape) for name, value in arrays().items()}
    return _written(
        "a.safetensors",
        lambda path: safetensors_file.write(path, layout, iter(arrays().items())),
    )


def torch_zip(program: bytes, storages: dict[str, bytes], order: bytes = b"little") -> bytes:
    """Returns a .pth file around a pickle and its storages."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a/data.pkl", program)
        archive.writestr("a/byteorder", order)
        for name, data in storages.items():
            archive.writestr(f"a/data/{name}", data)
        archive.writestr("a/version", b"3\n")
    return out.getvalue()


@functools.cache
def model(kind: str = "flow") -> dict[str, bytes]:
    """Returns the files of a small model folder, of a kind in MODELS."""
    with tempfile.TemporaryDirectory() as folder:
        path = MODELS[kind](Path(folder) / "tiny")
        return {file.name: file.read_bytes() for file in path.iterdir()}


@functools.cache
def recipe() -> dict:
    """Returns a recorded recipe of two frames."""
    from daflow_jax import cli

    with tempfile.TemporaryDirectory() as folder:
        for name in ("a1.png", "a2.png"):
            (Path(folder) / name).write_bytes(picture("png"))
        argv = ["degrade", folder, "--recipe", "combined", "--out", f"{folder}/out", "--quiet"]
        with contextlib.redirect_stdout(io.StringIO()):
            assert cli.main(argv) == 0
        return json.loads(next(Path(folder).glob("out/**/recipe.json")).read_text())


def pickled(value: object) -> bytes:
    """Returns a plain pickle."""
    return pickle.dumps(value, 2)


def _written(name: str, write: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()
