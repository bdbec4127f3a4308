"""Sizes of residual networks, and of the decoder that PooDLe puts on them."""

import dataclasses
from typing import Any

from daflow_jax import ranges

STRIDES = (8, 16, 32)


@dataclasses.dataclass(frozen=True)
class ResNetConfig:
    """A residual network without its classifier.

    Attributes:
        stem: channels of the first convolution (7 x 7, stride 2; a max pool of stride 2 follows).
        widths: channels of the four stages. blocks: residual blocks of each.
        bottleneck: blocks of 1 x 1, 3 x 3, 1 x 1 convolutions, else of two 3 x 3 ones.
        output_stride: pixels per cell of the last stage; below 32 the last stages keep their grid
            and are dilated instead (FlowE: 8).
        decoder: channels after each block of PooDLe's spatial decoder, each of which doubles the
            grid; empty: none. Published: (2048, 2048) on stride 32.
        decoder_factor: hidden channels of its blocks, as a share of a quarter of the output's.
        zero_last: scales of the last norm of every block start at 0 (not so in FlowE and PooDLe).
    """

    stem: int = 64
    widths: tuple[int, int, int, int] = (256, 512, 1024, 2048)
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    bottleneck: bool = True
    output_stride: int = 32
    decoder: tuple[int, ...] = ()
    decoder_factor: float = 0.5
    zero_last: bool = False

    frames = 1

    def __post_init__(self):
        counts = dict(stem=(1, 65536), widths=(1, 65536), blocks=(1, 256), decoder=(1, 65536))
        ranges.check(self, **counts, decoder_factor=(ranges.ABOVE_0, 64))
        if self.output_stride not in STRIDES:
            raise ranges.wrong("output_stride", self.output_stride, "Use 8, 16 or 32")
        if self.output_stride // 2 ** len(self.decoder) < 4:
            remedy = "The decoder ends at stride 4 at the finest; use fewer blocks"
            raise ranges.wrong("decoder", self.decoder, remedy)

    @property
    def stride(self) -> int:
        """Pixels per cell of the features."""
        return self.output_stride // 2 ** len(self.decoder)

    @property
    def features(self) -> int:
        """Channels of the features."""
        return self.decoder[-1] if self.decoder else self.widths[-1]

    @property
    def multiple(self) -> int:
        """Height and width are multiples of this, in pixels."""
        return self.output_stride

    @property
    def minimum(self) -> int:
        """Smallest height and width, in pixels."""
        return self.output_stride


_NANO: dict[str, Any] = dict(
    stem=16, widths=(32, 48, 64, 128), blocks=(1, 1, 1, 1), bottleneck=False
)
VARIANTS = {
    "resnet50": ResNetConfig(),  # DenseCL
    "resnet50-s8": ResNetConfig(output_stride=8),  # FlowE
    "resnet50-decoder": ResNetConfig(decoder=(2048, 2048)),  # PooDLe
    "resnet-nano": ResNetConfig(**_NANO, output_stride=8),
    "resnet-nano-s16": ResNetConfig(**_NANO, output_stride=16),
    "resnet-nano-decoder": ResNetConfig(**_NANO, output_stride=16, decoder=(128, 64)),
}
