"""The U-Net of masks in the registry."""

from daflow_jax.models.entry import Entry, Example
from daflow_jax.models.mask_unet.config import VARIANTS, MaskUNetConfig


def example(config: MaskUNetConfig) -> Example:
    """Returns a call on one frame of the smallest size."""
    import jax

    side = config.minimum
    return Example((jax.ShapeDtypeStruct((1, config.frames, side, side, 3), "float32"),))


MASK_UNET = Entry(
    family="mask_unet",
    kind="segmentation",
    config=MaskUNetConfig,
    module="daflow_jax.models.mask_unet.model:MaskUNet",
    presets=VARIANTS,
    example=example,
)
