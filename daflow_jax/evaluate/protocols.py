"""The field's evaluation protocols of video restoration, as data."""

import dataclasses
from typing import Literal

from daflow_jax import errors

Kind = Literal["noise", "bi", "bd", "given", "raw"]
SIGMAS = (10, 20, 30, 40, 50)


@dataclasses.dataclass(frozen=True)
class Protocol:
    """One protocol.

    Attributes:
        layout: where its clips lie, as `--layout` names it.
        kind: what makes the degraded frames: "noise" (the published draws, neither clipped nor
            rounded), "bi" or "bd" (a quarter of the size, 8 bits), "given" beside the clean ones,
            "raw" (given raw pictures, developed by this project's stand-in).
        sigmas: of "noise", grey levels of 255; a condition each.
        color: "rgb", or "y" of BT.601.
        ssim: a definition in `metrics.quality.SSIM`.
        border: pixels that do not count on every side.
        frames: "all" of a clip, or the one in the "middle".
        mean: over the frames of a clip, then over "clips", or over all "frames".
        source: what the protocol is known from.
    """

    name: str
    layout: str
    kind: Kind
    sigmas: tuple[int, ...] = ()
    color: Literal["rgb", "y"] = "rgb"
    ssim: str = "window"
    border: int = 0
    frames: Literal["all", "middle"] = "all"
    mean: Literal["clips", "frames"] = "clips"
    source: str = "VRT, main_test_vrt.py and its readme"

    @property
    def scale(self) -> int:
        """How many times larger the clean frames' side is."""
        return 4 if self.kind in ("bi", "bd") else 1

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of what is evaluated: "sigma 10", ..., or the kind alone."""
        return tuple(f"sigma {sigma}" for sigma in self.sigmas) or (self.kind,)

    def describe(self) -> str:
        """Returns one sentence on how values come about."""
        channels = "RGB" if self.color == "rgb" else "Y of BT.601, not rounded"
        over = "frames of a clip, then clips" if self.mean == "clips" else "all frames"
        cut = f"{self.border} px cut on every side" if self.border else "no border cut"
        which = "every frame" if self.frames == "all" else "the middle frame of each clip"
        made = " Raw pictures are developed by a stand-in." if self.kind == "raw" else ""
        return (
            f"Protocol {self.name} ({self.source}): {which} rounded to 8 bits, {channels}, {cut}, "
            f"SSIM definition {self.ssim!r}; means over {over}.{made}"
        )


_BASICSR = "VRT and BasicSR's options for BasicVSR"
PROTOCOLS: dict[str, Protocol] = {
    each.name: each
    for each in (
        Protocol("davis", "davis:test", "noise", SIGMAS),
        Protocol("set8", "set8", "noise", SIGMAS),
        Protocol("reds4", "reds:reds4", "bi", source=_BASICSR),
        Protocol(
            "vimeo-bi", "vimeo_septuplet:test", "bi", color="y", frames="middle", source=_BASICSR
        ),
        Protocol(
            "vimeo-bd", "vimeo_septuplet:test", "bd", color="y", frames="middle", source=_BASICSR
        ),
        Protocol("vid4-bi", "vid4", "bi", color="y", source=_BASICSR),
        Protocol("vid4-bd", "vid4", "bd", color="y", source=_BASICSR),
        Protocol("udm10", "udm10", "bd", color="y", source=_BASICSR),
        Protocol(
            "dvd",
            "dvd:test",
            "given",
            ssim="volume",
            mean="frames",
            source="KAIR, evaluate_video_deblurring.m",
        ),
        Protocol("crvd", "crvd:test", "raw", source="RViDeNet's readme; the pipeline is our own"),
    )
}


def get(name: str) -> Protocol:
    """Returns the protocol of that name; an unknown one is a UserError."""
    if name not in PROTOCOLS:
        raise errors.UserError(f"protocol {name}", "is unknown", errors.nearest(name, PROTOCOLS))
    return PROTOCOLS[name]
