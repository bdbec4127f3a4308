"""The published degradation pipelines as data: every range that a clip or frame is drawn from.

`REALBASICVSR` draws once per clip, lets the parameters walk from frame to frame and compresses the
whole clip (RealBasicVSR, sec. 4; its reds configuration). `STAR` draws every frame anew and encodes
it as a video of one frame, twice, with the slip in the width of its second resize. `DIT4SR` is the
pair maker of DiT4SR, which is Real-ESRGAN's, `DIT4SR_ONLINE` its milder on-the-fly form.
All of them give a picture of a quarter of the size, brought back by bicubic interpolation.
"""

import dataclasses
import math

from daflow_jax.errors import UserError, nearest

Number = float | int
Range = tuple[Number, Number]
KINDS = ("gaussian", "gaussian", "generalized", "generalized", "plateau", "plateau")
MODES = ("area", "bilinear", "bicubic")  # one third each


@dataclasses.dataclass(frozen=True)
class Order:
    """Ranges of one round of blur, resize, noise and JPEG; each noise is one half."""

    blur_share: Number = 1.0
    sigma: Range = (0.2, 3.0)  # pixels, both axes
    up_down_keep: tuple[Number, Number, Number] = (0.2, 0.7, 0.1)
    scale: Range = (0.15, 1.5)  # down U(low, 1), up U(1, high)
    scale_step: Number = 0.015
    gaussian: Range = (1.0, 30.0)  # of 255
    poisson: Range = (0.05, 3.0)
    quality: Range = (30.0, 95.0)


@dataclasses.dataclass(frozen=True)
class Walk:
    """Largest change from frame to frame; RealBasicVSR's steps. Those of `scale` are in `Order`."""

    sigma: Number = 0.02
    angle: Number = 0.31416
    generalized: Number = 0.05
    plateau: Number = 0.1
    omega: Number = 0.0628
    gaussian: Number = 0.1
    poisson: Number = 0.005
    quality: Number = 3.0


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """One published pipeline.

    Attributes:
        mode: "clip": drawn once per clip, then a walk; "frame": all is drawn anew in each frame.
        kernel_shares: of Gaussian, generalized and plateau kernels, each isotropic and not.
        factor: the small picture is the clip's size over this.
        codec: "shuffled": before or after the last resize; "each": after each order; "none".
        kbit_per_frame: range of the codec's bit budget.
        dialect: "opencv": resize and JPEG (red and blue exchanged) as in RealBasicVSR; "pytorch":
            the second resize aims at the small picture, differentiable JPEG, noise clipped.
        slip: the second resize keeps the full width (STAR).
    """

    mode: str = "clip"
    sharpen: bool = True
    first: Order = Order()
    second: Order = Order(0.8, (0.2, 1.5), (0.3, 0.4, 0.3), (0.3, 1.2), 0.03, (1, 25), (0.05, 2.5))
    walk: Walk = Walk()
    kernel_size: tuple[int, int] = (7, 21)
    kernel_shares: tuple[Number, ...] = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
    sinc_share: Number = 0.1
    beta_generalized: Range = (0.5, 4.0)
    beta_plateau: Range = (1.0, 2.0)
    gaussian_share: Number = 0.5
    gray_share: Number = 0.4
    final_sinc_share: Number = 0.8
    final_omega: Range = (math.pi / 3, math.pi)
    factor: Number = 4.0
    codec: str = "shuffled"
    codecs: tuple[str, ...] = ("libx264", "libx264", "mpeg4")  # "h264" is libx264 by another name
    kbit_per_frame: Range = (10.0, 100.0)
    preset: str = "medium"  # libx264's own default
    dialect: str = "opencv"
    slip: bool = False


REALBASICVSR = Pipeline()
_STILL = Walk(0, 0, 0, 0, 0, 0, 0, 0)
DIT4SR = Pipeline(mode="frame", walk=_STILL, codec="none", dialect="pytorch")
STAR = dataclasses.replace(DIT4SR, codec="each", slip=True)
DIT4SR_ONLINE = dataclasses.replace(
    DIT4SR,
    sharpen=False,
    first=Order(scale=(0.3, 1.5), gaussian=(1, 15), poisson=(0.05, 2), quality=(60, 95)),
    second=Order(0.5, (0.2, 1.5), (0.3, 0.4, 0.3), (0.6, 1.2), 0.03, (1, 12), (0.05, 1), (60, 100)),
)
PIPELINES = {
    "realbasicvsr": REALBASICVSR,
    "star": STAR,
    "dit4sr": DIT4SR,
    "dit4sr_online": DIT4SR_ONLINE,
}


def get(name: str) -> Pipeline:
    """Returns the pipeline of that name; `UserError` with the nearest name if there is none."""
    if name not in PIPELINES:
        raise UserError("recipe", f"unknown pipeline {name!r}", nearest(name, PIPELINES))
    return PIPELINES[name]


def graded(pipeline: Pipeline, strength: Number) -> Pipeline:
    """Returns the pipeline with ranges cut to the part about a strength in [0, 1].

    0 is the mild end of every range (and no loss of resolution), 1 the hard one; ranges reach from
    half to one and a half of the strength. Kinds and shares stay, sharpening is left out.
    """
    low, high = strength / 2, min(1.5 * strength, 1.0)

    def part(span: Range, hard_end: int = 1) -> Range:
        mild, hard = span[1 - hard_end], span[hard_end]
        cut = sorted(mild + (hard - mild) * s for s in (low, high))
        return cut[0], cut[1]

    def order(ranges: Order) -> Order:
        return dataclasses.replace(
            ranges,
            sigma=part(ranges.sigma),
            scale=(1 - (1 - ranges.scale[0]) * high, ranges.scale[1]),
            gaussian=part(ranges.gaussian),
            poisson=part(ranges.poisson),
            quality=part(ranges.quality, hard_end=0),
        )

    return dataclasses.replace(
        pipeline,
        sharpen=False,
        first=order(pipeline.first),
        second=order(pipeline.second),
        factor=1 + (pipeline.factor - 1) * strength,
        final_omega=part(pipeline.final_omega, hard_end=0),
        kbit_per_frame=part(pipeline.kbit_per_frame, hard_end=0),
    )
