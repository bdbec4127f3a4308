"""Sizes of the U-Net of masks."""

import dataclasses

from daflow_jax import ranges


@dataclasses.dataclass(frozen=True)
class MaskUNetConfig:
    """A U-Net from one frame to logits of masks.

    Attributes:
        masks: that every pixel is shared among (Guess What Moves: 4).
        widths: channels by level; each level after the first halves the grid.
        stride: pixels per cell of the logits, 1, 2 or 4.
        side: longer side in pixels at which frames are seen where the model is used; larger and
            smaller frames are resized. 0: as they are. Training sees clips as they come.
    """

    masks: int = 4
    widths: tuple[int, ...] = (32, 48, 64, 96)
    stride: int = 2
    side: int = 0

    frames = 1

    def __post_init__(self):
        ranges.check(self, masks=(2, 256), widths=(8, 65536), stride=(1, 4), side=(0, 16384))
        if not self.widths or any(width % 8 for width in self.widths):
            raise ranges.wrong("widths", self.widths, "Use multiples of 8, one a level")
        if self.stride == 3:
            raise ranges.wrong("stride", self.stride, "Use 1, 2 or 4")

    @property
    def multiple(self) -> int:
        """Height and width are multiples of this, in pixels."""
        return self.stride * 2 ** (len(self.widths) - 1)

    @property
    def minimum(self) -> int:
        """Smallest height and width, in pixels."""
        return self.multiple


VARIANTS = {
    "mask-unet": MaskUNetConfig(),
    "mask-unet-nano": MaskUNetConfig(widths=(16, 32, 48, 64), side=96),
}
