"""GMFlow (Xu, Zhang, Cai, Rezatofighi and Tao, CVPR 2022) in the registry."""

from daflow_jax.models.entry import Entry, Example
from daflow_jax.models.gmflow.config import VARIANTS, GMFlowConfig


def example(config: GMFlowConfig) -> Example:
    """Returns a call on a pair of the smallest size."""
    import jax

    shape = (1, config.frames, config.minimum, config.minimum, 3)
    return Example((jax.ShapeDtypeStruct(shape, "float32"),))


GMFLOW = Entry(
    family="gmflow",
    kind="flow",
    config=GMFlowConfig,
    module="daflow_jax.models.gmflow.model:GMFlow",
    presets=VARIANTS,
    example=example,
    all_scales=True,
    checkpoints="daflow_jax.models.gmflow.convert:ARCHITECTURES",
)
