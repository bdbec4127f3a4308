"""PWC-Net (Sun, Yang, Liu and Kautz, CVPR 2018) in the registry."""

from daflow_jax.models.entry import Entry, Example
from daflow_jax.models.pwcnet.config import VARIANTS, PWCNetConfig


def example(config: PWCNetConfig) -> Example:
    """Returns a call on a pair of the smallest size."""
    import jax

    shape = (1, config.frames, config.minimum, config.minimum, 3)
    return Example((jax.ShapeDtypeStruct(shape, "float32"),))


PWCNET = Entry(
    family="pwcnet",
    kind="flow",
    config=PWCNetConfig,
    module="daflow_jax.models.pwcnet.model:PWCNet",
    presets=VARIANTS,
    example=example,
    checkpoints="daflow_jax.models.pwcnet.convert:ARCHITECTURES",
)
