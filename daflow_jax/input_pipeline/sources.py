"""Clips by number: the random-access sources under the loader, and the settings of the data."""

import dataclasses

import numpy as np

from daflow_jax.errors import UserError, nearest
from daflow_jax.generate import scene as scenes

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
NUM_CLIPS = 2**31 - 1  # of the endless synthetic stream


@dataclasses.dataclass(frozen=True)
class DegradeConfig:
    """How clean clips are made bad: the training mixture of `degrade.mixture`."""

    mode: str = "clip"  # "clip": one degradation a clip; "frame": a new one for each frame
    min_severity: float = 0.0  # on the scale of the calibration chain (3 medium, 5 bad)
    max_severity: float = 5.5
    clean_share: float = 0.25  # share of clips that stay clean
    codec_share: float = 0.2  # share of degraded clips with video compression (host only)
    jitter_share: float = 0.2  # share of clips whose frames get unequal exposure and colour
    jitter: float = 0.2  # largest relative change of gain, gamma and colour

    def __post_init__(self):
        if self.mode not in ("clip", "frame"):
            raise UserError("degrade.mode", f"{self.mode!r}", 'The modes are "clip" and "frame"')
        if not 0 <= self.min_severity <= self.max_severity <= 7:
            raise UserError(
                "degrade.min_severity",
                f"{self.min_severity} to {self.max_severity}; severities are ordered and in 0..7",
                "Correct the range",
            )


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What a training or evaluation stream consists of."""

    name: str = "synthetic"
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


class Synthetic:
    """Random access to the generator's clips: item i is clip `start` + i of the stream `seed`."""

    def __init__(self, config: DataConfig, start: int = 0):
        self.config, self.start = config, start

    def __len__(self) -> int:
        return NUM_CLIPS - self.start

    def __getitem__(self, index: int) -> dict:
        """Returns {"index": int, hq, flow, ...}: the clean clip as `generate.host` makes it."""
        import cv2

        from daflow_jax.generate import host

        cv2.setNumThreads(0)  # one core a worker; OpenCV would start one thread per core in each
        number = self.start + int(index)
        backward = any(key.endswith("_back") for key in self.config.keys)
        clip = host.clip(self.config.scene, self.config.seed, number, backward=backward)
        return {"index": np.int64(number), **clip}


SOURCES = {"synthetic": Synthetic}
