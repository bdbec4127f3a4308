"""FlowNetS and FlowNetC (Dosovitskiy et al., ICCV 2015) in the registry."""

from daflow_jax.models.entry import Entry, Example
from daflow_jax.models.flownet.config import VARIANTS, FlowNetConfig


def example(config: FlowNetConfig) -> Example:
    """Returns a call on a pair of the smallest size."""
    import jax

    shape = (1, config.frames, config.minimum, config.minimum, 3)
    return Example((jax.ShapeDtypeStruct(shape, "float32"),))


FLOWNET = Entry(
    family="flownet",
    kind="flow",
    config=FlowNetConfig,
    module="daflow_jax.models.flownet.model:FlowNet",
    presets=VARIANTS,
    example=example,
    checkpoints="daflow_jax.models.flownet.convert:ARCHITECTURES",
)
