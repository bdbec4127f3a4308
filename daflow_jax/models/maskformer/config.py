"""Sizes of MaskFormer's head, and the network that it stands on."""

import dataclasses
from typing import Any

from daflow_jax import ranges
from daflow_jax.models.resnet.config import VARIANTS as RESNETS
from daflow_jax.models.vit_keys.config import VARIANTS as KEYS


@dataclasses.dataclass(frozen=True)
class MaskFormerConfig:
    """A transformer whose queries become masks of one frame.

    Attributes:
        backbone: configuration of any network of features. Guess What Moves takes DINO's ViT-B/8
            with a patch every 4 pixels; no weights of it are known here.
        levels: equal parts of the backbone's channels that the pixel decoder sums from the last to
            the first (the keys of four blocks); 1 for networks of one map.
        masks: queries. width: of decoder and queries. layers, heads, hidden: of the transformer.
        doublings: how often the pixel decoder doubles the backbone's grid (published: 2).
        side: longer side in pixels at which frames are seen where the model is used; 0: as they
            are. Published: 128 x 224.
    """

    backbone: Any
    levels: int = 1
    masks: int = 4
    width: int = 256
    layers: int = 6
    heads: int = 8
    hidden: int = 2048
    doublings: int = 2
    side: int = 0

    frames = 1

    def __post_init__(self):
        counts = dict(levels=(1, 64), masks=(2, 256), width=(32, 65536), layers=(1, 256))
        more = dict(heads=(1, 256), hidden=(1, 65536), doublings=(0, 8), side=(0, 16384))
        ranges.check(self, **counts, **more)
        if self.width % (4 * self.heads) or self.width % 32:
            remedy = f"Use a multiple of 32 and of {4 * self.heads}, 4 times heads"
            raise ranges.wrong("width", self.width, remedy)
        if self.backbone.stride % 2**self.doublings:
            remedy = f"The backbone's stride is {self.backbone.stride}; halve it fewer times"
            raise ranges.wrong("doublings", self.doublings, remedy)
        if self.backbone.features % self.levels:
            remedy = f"Use a divisor of the backbone's {self.backbone.features} channels"
            raise ranges.wrong("levels", self.levels, remedy)

    @property
    def stride(self) -> int:
        """Pixels per cell of the logits."""
        return self.backbone.stride // 2**self.doublings

    @property
    def multiple(self) -> int:
        """Height and width are multiples of this, in pixels."""
        return self.backbone.multiple

    @property
    def minimum(self) -> int:
        """Smallest height and width, in pixels."""
        return self.backbone.minimum


_NANO = dict(width=64, layers=2, heads=4, hidden=128)
VARIANTS = {
    "maskformer-gwm": MaskFormerConfig(KEYS["vit-keys-b8"], levels=4, side=224),
    "maskformer-nano": MaskFormerConfig(KEYS["vit-keys-nano"], levels=2, **_NANO, side=96),
    "maskformer-resnet-nano": MaskFormerConfig(RESNETS["resnet-nano"], **_NANO, side=96),
}
