"""GMFlow (Xu, Zhang, Cai, Rezatofighi and Tao, CVPR 2022) in the registry."""

from daflow_jax.models.entry import Entry, clip_example
from daflow_jax.models.gmflow.config import VARIANTS, GMFlowConfig

GMFLOW = Entry(
    family="gmflow",
    kind="flow",
    config=GMFlowConfig,
    module="daflow_jax.models.gmflow.model:GMFlow",
    presets=VARIANTS,
    example=clip_example,
    all_scales=True,
    checkpoints="daflow_jax.models.gmflow.convert:ARCHITECTURES",
)
