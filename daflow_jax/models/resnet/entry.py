"""Residual networks of dense features in the registry."""

from daflow_jax.models.entry import Entry, Example
from daflow_jax.models.resnet.config import VARIANTS, ResNetConfig


def example(config: ResNetConfig) -> Example:
    """Returns a call on one frame of two cells a side."""
    import jax

    side = 2 * config.output_stride
    return Example((jax.ShapeDtypeStruct((1, config.frames, side, side, 3), "float32"),))


RESNET = Entry(
    family="resnet",
    kind="features",
    config=ResNetConfig,
    module="daflow_jax.models.resnet.model:ResNet",
    presets=VARIANTS,
    example=example,
)
