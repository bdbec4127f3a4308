"""Clips by number: the random-access sources under the loader, and the settings of the data."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from daflow_jax.degrade import published
from daflow_jax.errors import UserError, nearest
from daflow_jax.synthetic import scene as scenes

KEYS = (
    "lq",
    "hq",
    "flow",
    "flow_back",
    "valid",
    "valid_back",
    "occlusion",
    "occlusion_back",
    "instances",
    "classes",
    "weight",
)
EVAL_SEED = 0x5EED0000  # added to the seed of held-out clips: other scenes on other texture crops
HELD_OUT = "synthetic"  # name of the clips of evaluations during training
NUM_CLIPS = 2**31 - 1  # of the endless synthetic stream


@dataclasses.dataclass(frozen=True)
class DegradeConfig:
    """How clean clips are made bad: by the training mixture of `degrade.mixture`, whose mode,
    severities and codec share stand here, or by a published pipeline, which has its own."""

    pipeline: str = "mixture"  # or a name in `degrade.published.PIPELINES`: "realbasicvsr", ...
    mode: str = "clip"  # "clip": one degradation a clip; "frame": a new one for each frame
    min_severity: float = 0.0  # on the scale of the calibration chain (3 medium, 5 bad)
    max_severity: float = 5.5
    codec_share: float = 0.2  # share of degraded clips with video compression (host only)
    clean_share: float = 0.25  # share of clips that stay clean
    jitter_share: float = 0.2  # share of clips whose frames get unequal exposure and colour
    jitter: float = 0.2  # largest relative change of gain, gamma and colour

    def __post_init__(self):
        if self.pipeline != "mixture":
            published.get(self.pipeline)
        if self.mode not in ("clip", "frame"):
            raise UserError("degrade.mode", f"{self.mode!r}", 'The modes are "clip" and "frame"')
        if not 0 <= self.min_severity <= self.max_severity <= 7:
            raise UserError(
                "degrade.min_severity",
                f"{self.min_severity} to {self.max_severity}; severities are ordered and in 0..7",
                "Correct the range",
            )


KINDS = ("built", "folder", "synthetic")
AUGMENTS = ("none", "dense", "sparse")


@dataclasses.dataclass(frozen=True)
class Source:
    """One source of a mixture, and how its clips are augmented.

    Attributes:
        kind: "built" (by `python -m data.build`), "folder" (a known layout, read in place) or
            "synthetic" (clips of `data.scene`).
        weight: share of the clips, relative to the other sources.
        path, split: of a built set; `path` and `layout` ("sintel:final") of a folder.
        skip_bad: leave out clips of a folder that are broken, with a warning that counts them.
        augment: RAFT's "dense" form for flow known everywhere, "sparse" for flow at scattered
            pixels, or "none": a window of the scene's size, nothing else.
        min_scale, max_scale: powers of two of the resize; SEA-RAFT on Spring uses -1 to -0.8.
        flip: False keeps left and right (RAFT's last stage on KITTI).
        degrade: False keeps the degraded frames of a pairs folder, or whatever the frames are.
    """

    kind: str
    weight: float = 1.0
    path: str = ""
    layout: str = "auto"
    split: str = ""
    skip_bad: bool = False
    augment: str = "none"
    min_scale: float = -0.2
    max_scale: float = 0.6
    flip: bool = True
    degrade: bool = True

    def __post_init__(self):
        for field, known in (("kind", KINDS), ("augment", AUGMENTS)):
            if (value := getattr(self, field)) not in known:
                raise UserError(f"source.{field}", f"unknown {value!r}", nearest(value, known))
        if not (0 < self.weight < float("inf")):
            raise UserError("source.weight", f"{self.weight}; weights are above 0", "Raise it")
        if self.min_scale > self.max_scale:
            rule = f"{self.min_scale} is above max_scale {self.max_scale}"
            raise UserError("source.min_scale", rule, "Swap them")
        unread = {
            "path": self.path and self.kind == "synthetic",
            "split": self.split and self.kind != "built",
            "layout": self.layout != "auto" and self.kind != "folder",
            "skip_bad": self.skip_bad and self.kind != "folder",
        }
        for field in (name for name, wrong in unread.items() if wrong):
            raise UserError(f"source.{field}", f"means nothing for {self.kind}", "Leave it out")
        if not self.path and self.kind != "synthetic":
            raise UserError("source.path", "is missing", f"Name the folder of the {self.kind} set")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What a training or evaluation stream consists of: the generator's clips, or a "mixture" of
    `sources` cut to the size of `scene`.
    """

    name: str = "synthetic"
    sources: tuple[Source, ...] = ()
    scene: scenes.SceneConfig = scenes.SceneConfig()
    degrade: DegradeConfig = DegradeConfig()
    seed: int = 0
    num_workers: int = 0  # processes that make clips; 0 = the training process itself
    keys: tuple[str, ...] = ("lq", "hq", "flow", "valid", "occlusion", "weight")

    def __post_init__(self):
        if self.name not in SOURCES:
            raise UserError("data.name", f"unknown data {self.name!r}", nearest(self.name, SOURCES))
        for key in self.keys:
            if key not in KEYS:
                raise UserError("data.keys", f"unknown key {key!r}", nearest(key, KEYS))
        if self.sources and self.name != "mixture":
            remedy = 'Set data.name to "mixture" or leave them out'
            raise UserError("data.sources", f"{self.name} does not read them", remedy)
        if self.name == "mixture" and not self.sources:
            remedy = "Give at least one, as configs/raft/mixture.py does"
            raise UserError("data.sources", "is empty", remedy)


class Synthetic:
    """Random access to the generator's clips: item i is clip i of the stream `seed`."""

    def __init__(self, config: DataConfig):
        self.config = config

    def __len__(self) -> int:
        return NUM_CLIPS

    def __getitem__(self, index: int) -> dict:
        """Returns {"index": int, hq, flow, ...}: the clean clip as `generate.host` makes it."""
        import cv2

        from daflow_jax.synthetic import host

        cv2.setNumThreads(0)  # one core a worker; OpenCV would start one thread per core in each
        number = int(index)
        backward = any(key.endswith("_back") for key in self.config.keys)
        clip = host.clip(self.config.scene, self.config.seed, number, backward=backward)
        return {"index": np.int64(number), **clip}


def _mixture(config: DataConfig) -> Any:
    from daflow_jax.input_pipeline import mixture  # reads files: needs packages that few runs do

    return mixture.Mixture(config)


SOURCES: dict[str, Callable[[DataConfig], Any]] = {"synthetic": Synthetic, "mixture": _mixture}
