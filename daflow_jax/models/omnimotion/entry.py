"""OmniMotion in the registry."""

from daflow_jax.models.entry import Entry, Example
from daflow_jax.models.omnimotion.config import VARIANTS, OmniMotionConfig


def example(config: OmniMotionConfig) -> Example:
    """Returns a call on two points of the first frame."""
    import jax

    del config
    points = jax.ShapeDtypeStruct((1, 2, 2), "float32")
    number = jax.ShapeDtypeStruct((1,), "int32")
    return Example((points, number, number))


OMNIMOTION = Entry(
    family="omnimotion",
    kind="tracks",
    config=OmniMotionConfig,
    module="daflow_jax.models.omnimotion.model:OmniMotion",
    presets=VARIANTS,
    example=example,
)
