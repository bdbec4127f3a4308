"""Sizes of vision transformers."""

import dataclasses

from daflow_jax import ranges


@dataclasses.dataclass(frozen=True)
class ViTConfig:
    """A vision transformer with a class token and learned positions (DINO's form).

    Attributes:
        width: of tokens. depth: blocks. heads: of attention; they divide the width.
        mlp_ratio: hidden width of the MLPs, as a share of the width.
        patch: pixels per token and axis.
        table: height and width, in pixels, of the square frames that the table of positions is
            for; of other sizes it is interpolated.
        drop_path: how often the last block's branches are left out in training; earlier blocks
            less, linearly from 0 (DoRA: 0.1).
    """

    width: int = 384
    depth: int = 12
    heads: int = 6
    mlp_ratio: float = 4.0
    patch: int = 16
    table: int = 224
    drop_path: float = 0.1

    frames = 1

    def __post_init__(self):
        counts = dict(width=(1, 65536), depth=(1, 256), heads=(1, 256), patch=(1, 256))
        ranges.check(
            self, **counts, table=(1, 4096), drop_path=(0, ranges.BELOW_1), mlp_ratio=(0.01, 64)
        )
        if self.width % self.heads:
            remedy = f"Use a divisor of width {self.width}"
            raise ranges.wrong("heads", self.heads, remedy)
        if self.table % self.patch:
            raise ranges.wrong("table", self.table, f"Use a multiple of patch {self.patch}")

    @property
    def stride(self) -> int:
        """Pixels per cell of the features."""
        return self.patch

    @property
    def features(self) -> int:
        """Channels of the features."""
        return self.width

    @property
    def multiple(self) -> int:
        """Height and width are multiples of this, in pixels."""
        return self.patch

    @property
    def minimum(self) -> int:
        """Smallest height and width, in pixels."""
        return self.patch


VARIANTS = {
    "vit-s16": ViTConfig(),  # DoRA
    "vit-nano": ViTConfig(width=96, depth=4, heads=6, patch=8, table=64, drop_path=0.0),
}
