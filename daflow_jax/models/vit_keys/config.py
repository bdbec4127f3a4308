"""Sizes of a vision transformer whose keys are features."""

import dataclasses

from daflow_jax import ranges


@dataclasses.dataclass(frozen=True)
class ViTKeysConfig:
    """A vision transformer with overlapping patches; its features are keys of some blocks.

    Attributes:
        width, heads, mlp_ratio: of the blocks. taps: which blocks lend their keys, counted from 0;
            those above the last are not there.
        patch: pixels per patch and axis. step: pixels from patch to patch. Frames are padded by
            half of the difference with their border pixels, so that the grid is 1/step of the
            frame; the published code leaves the border out.
        table: height and width, in pixels, of the square frames that the table of positions is for.
    """

    width: int = 768
    heads: int = 12
    mlp_ratio: float = 4.0
    taps: tuple[int, ...] = (5, 7, 9, 11)
    patch: int = 8
    step: int = 4
    table: int = 224

    frames = 1

    def __post_init__(self):
        counts = dict(width=(1, 65536), heads=(1, 256), taps=(0, 255), patch=(1, 256))
        ranges.check(self, **counts, step=(1, 256), table=(1, 4096), mlp_ratio=(0.01, 64))
        if self.width % self.heads:
            raise ranges.wrong("heads", self.heads, f"Use a divisor of width {self.width}")
        if self.step > self.patch or (self.patch - self.step) % 2:
            raise ranges.wrong("step", self.step, f"Use patch {self.patch} less an even number")
        if not self.taps or list(self.taps) != sorted(set(self.taps)):
            raise ranges.wrong("taps", self.taps, "Use block numbers that increase")
        if self.table % self.patch:
            raise ranges.wrong("table", self.table, f"Use a multiple of patch {self.patch}")

    @property
    def stride(self) -> int:
        """Pixels per cell of the features."""
        return self.step

    @property
    def features(self) -> int:
        """Channels of the features: the keys of all taps beside each other."""
        return self.width * len(self.taps)

    @property
    def multiple(self) -> int:
        """Height and width are multiples of this, in pixels."""
        return self.step

    @property
    def minimum(self) -> int:
        """Smallest height and width, in pixels."""
        return self.patch


VARIANTS = {
    "vit-keys-b8": ViTKeysConfig(),  # Guess What Moves, on DINO's ViT-B/8
    "vit-keys-nano": ViTKeysConfig(width=64, heads=4, taps=(1, 3), table=64),
}
