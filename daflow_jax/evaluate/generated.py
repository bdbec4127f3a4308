"""Held-out synthetic clips as a pairs folder: data with exact flow that needs no download."""

import json
import zlib
from pathlib import Path

import numpy as np

from daflow_jax.io import atomic, flow, image
from daflow_jax.synthetic import host, scene


def write(root: Path, count: int, size: tuple[int, int], photographs: str = "") -> Path:
    """Returns a pairs folder below `root` of `count` clips of three frames, written once.

    Scenes are of the seed of evaluations (`scene.EVAL_SEED`), which training never draws. Textures
    are other crops of the same photographs, unless `photographs` is a folder of others.

    Args:
        size: (height, width) in pixels.
    """
    folder = root / f"{count}x{size[0]}x{size[1]}-{zlib.crc32(photographs.encode()):08x}"
    config = scene.SceneConfig(3, *size, folder=photographs)
    for index in range(count):
        target = folder / "generated" / f"clip{index:04d}"
        if (target / "meta.json").exists():
            continue
        clip = host.clip(config, scene.EVAL_SEED, index, backward=False)
        for number, frame in enumerate(clip["hq"], 1):
            image.write_image(target / f"frame{number}.png", np.rint(255 * frame).astype(np.uint8))
        image.write_image(target / "occ.png", 255 * clip["occlusion"][0].astype(np.uint8))
        flow.write_flow(target / "flow.flo", clip["flow"][0])
        atomic.write_text(target / "meta.json", json.dumps({"dataset": "generated"}) + "\n")
    return folder
