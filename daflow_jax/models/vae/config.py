"""Sizes of the published autoencoder."""

import dataclasses

from daflow_jax import ranges


@dataclasses.dataclass(frozen=True)
class VAEConfig:
    """The autoencoder's sizes.

    Attributes:
        widths: channels per resolution, each half of the one before.
        blocks: residual blocks per resolution of the encoder; the decoder has one more.
        channels: of the latents.
        groups: of the group norms.
        shift, scale: latents are (z - shift) scale.
    """

    widths: tuple[int, ...] = (128, 256, 512, 512)
    blocks: int = 2
    channels: int = 16
    groups: int = 32
    shift: float = 0.0609
    scale: float = 1.5305

    frames = 1

    def __post_init__(self):
        ranges.check(self, widths=(1, 65536), blocks=(1, 64), channels=(1, 4096), groups=(1, 4096))
        if not 1 <= len(self.widths) <= 8:
            raise ValueError(f"widths has {len(self.widths)} resolutions; use 1 to 8")

    @property
    def multiple(self) -> int:
        """Height and width of images must be multiples of this."""
        return self.reduction

    @property
    def minimum(self) -> int:
        """Smallest height and width of images."""
        return self.reduction

    @property
    def reduction(self) -> int:
        """Pixels per latent position and axis."""
        return 2 ** (len(self.widths) - 1)


VARIANTS = {"sd3-vae": VAEConfig()}  # AutoencoderKL of Stable Diffusion 3 and 3.5
