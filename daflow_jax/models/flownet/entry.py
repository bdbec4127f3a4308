"""FlowNetS and FlowNetC (Dosovitskiy et al., ICCV 2015) in the registry."""

from daflow_jax.models.entry import Entry, clip_example
from daflow_jax.models.flownet.config import VARIANTS, FlowNetConfig

FLOWNET = Entry(
    family="flownet",
    kind="flow",
    config=FlowNetConfig,
    module="daflow_jax.models.flownet.model:FlowNet",
    presets=VARIANTS,
    example=clip_example,
    checkpoints="daflow_jax.models.flownet.convert:ARCHITECTURES",
)
