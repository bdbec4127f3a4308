"""JFFRA in the registry."""

from daflow_jax.models.entry import CallOption, Entry, Example, clip_example
from daflow_jax.models.jffra.config import VARIANTS, JFFRAConfig

SIGMA = CallOption("sigma", "noise of the frames, of 255 (estimated)", 0, float, most=255)


def example(config: JFFRAConfig) -> Example:
    """Returns the restoration of one frame of the smallest size."""
    return clip_example(config, streams=("noise",))


def trainable(config: JFFRAConfig) -> dict[str, tuple[str, ...]]:
    """Returns "restorer": all but the flow network of the start."""
    return {"restorer": ("net/.*",)}


JFFRA = Entry(
    family="jffra",
    kind="restoration",
    config=JFFRAConfig,
    module="daflow_jax.models.jffra.model:JFFRA",
    presets=VARIANTS,
    example=example,
    call_options=(SIGMA,),
    streams=("noise",),
    call="daflow_jax.models.jffra.restoration:restore",
    trainable=trainable,
)
