"""Sizes of OmniMotion's networks, and of the clip that they are fitted to."""

import dataclasses
from typing import Any

from daflow_jax import ranges

FREQUENCIES = 4  # of the codes of coordinates and depth


@dataclasses.dataclass(frozen=True)
class OmniMotionConfig:
    """The motion of one clip.

    Attributes:
        frames: of the clip. height, width: of its frames where it was fitted, in pixels.
        source_height, source_width: of the frames that people point into; 0: as fitted.
        changed: which coordinate (x 0, y 1, depth 2) each coupling layer changes; two random
            orders in a row are published.
        code, code_hidden: width of the time code, and of the Gabor network that makes it.
        projection: channels that the two kept coordinates are brought to.
        hidden: width of the layers of every coupling, of which there are `depth`.
        field: hidden width of the Gabor network of colour and density.
        affine: a 2-D map by time and depth comes before the couplings. affine_hidden: its width.
        samples: along every ray; with one of them nothing can lie behind anything.
        occluded: a point is hidden where this much of the ray lies in front of it.
    """

    frames: int = 2
    height: int = 256
    width: int = 256
    source_height: int = 0
    source_width: int = 0
    changed: tuple[int, ...] = (0, 2, 1, 2, 0, 1)
    code: int = 128
    code_hidden: int = 256
    projection: int = 256
    hidden: int = 256
    depth: int = 3
    field: int = 512
    affine: bool = True
    affine_hidden: int = 256
    samples: int = 32
    occluded: float = 0.99

    multiple = 1  # points are not frames: any place will do
    minimum = 1

    def __post_init__(self):
        widths = ("code", "code_hidden", "projection", "hidden", "field", "affine_hidden")
        sizes = dict.fromkeys(("height", "width"), (2, 16384))
        sources = dict.fromkeys(("source_height", "source_width"), (0, 16384))
        ranges.check(
            self,
            **dict.fromkeys(widths, (1, 65536)), **sizes, **sources,
            frames=(2, 10**5), changed=(0, 2), depth=(1, 64), samples=(1, 4096), occluded=(0, 1),
        )  # fmt: skip
        if not self.changed:
            raise ranges.wrong("changed", self.changed, "Use one coordinate a layer")

    @property
    def source(self) -> tuple[int, int]:
        """Height and width of the frames that people point into."""
        return self.source_height or self.height, self.source_width or self.width


_NANO = dict[str, Any](
    code=32, code_hidden=64, projection=48, hidden=64, depth=2, field=96, samples=16
)
VARIANTS = {
    "omnimotion": OmniMotionConfig(),
    "omnimotion-nano": OmniMotionConfig(**_NANO, affine_hidden=48),
}
