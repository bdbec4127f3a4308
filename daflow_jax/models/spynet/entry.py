"""SPyNet (Ranjan and Black, CVPR 2017) in the registry."""

from daflow_jax.models.entry import Entry, Example
from daflow_jax.models.spynet.config import VARIANTS, SPyNetConfig


def example(config: SPyNetConfig) -> Example:
    """Returns a call on a pair of the smallest size."""
    import jax

    shape = (1, config.frames, config.minimum, config.minimum, 3)
    return Example((jax.ShapeDtypeStruct(shape, "float32"),))


SPYNET = Entry(
    family="spynet",
    kind="flow",
    config=SPyNetConfig,
    module="daflow_jax.models.spynet.model:SPyNet",
    presets=VARIANTS,
    example=example,
    checkpoints="daflow_jax.models.spynet.convert:ARCHITECTURES",
)
