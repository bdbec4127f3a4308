"""The U-Net of masks in the registry."""

from daflow_jax.models.entry import Entry, clip_example
from daflow_jax.models.mask_unet.config import VARIANTS, MaskUNetConfig

MASK_UNET = Entry(
    family="mask_unet",
    kind="segmentation",
    config=MaskUNetConfig,
    module="daflow_jax.models.mask_unet.model:MaskUNet",
    presets=VARIANTS,
    example=clip_example,
)
