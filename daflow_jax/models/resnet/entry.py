"""Residual networks of dense features in the registry."""

from daflow_jax.models.entry import Entry, Example, clip_example
from daflow_jax.models.resnet.config import VARIANTS, ResNetConfig


def example(config: ResNetConfig) -> Example:
    """Returns a call on one frame of two cells a side."""
    return clip_example(config, side=2 * config.output_stride)


RESNET = Entry(
    family="resnet",
    kind="features",
    config=ResNetConfig,
    module="daflow_jax.models.resnet.model:ResNet",
    presets=VARIANTS,
    example=example,
    taps="daflow_jax.models.taps:FEATURES",
)
