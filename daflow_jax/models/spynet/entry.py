"""SPyNet (Ranjan and Black, CVPR 2017) in the registry."""

from daflow_jax.models.entry import Entry, clip_example
from daflow_jax.models.spynet.config import VARIANTS, SPyNetConfig

SPYNET = Entry(
    family="spynet",
    kind="flow",
    config=SPyNetConfig,
    module="daflow_jax.models.spynet.model:SPyNet",
    presets=VARIANTS,
    example=clip_example,
    checkpoints="daflow_jax.models.spynet.convert:ARCHITECTURES",
)
