"""PWC-Net (Sun, Yang, Liu and Kautz, CVPR 2018) in the registry."""

from daflow_jax.models.entry import Entry, clip_example
from daflow_jax.models.pwcnet.config import VARIANTS, PWCNetConfig

PWCNET = Entry(
    family="pwcnet",
    kind="flow",
    config=PWCNetConfig,
    module="daflow_jax.models.pwcnet.model:PWCNet",
    presets=VARIANTS,
    example=clip_example,
    checkpoints="daflow_jax.models.pwcnet.convert:ARCHITECTURES",
)
