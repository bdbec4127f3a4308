"""BasicVSR (Chan et al., CVPR 2021) in the registry."""

from daflow_jax.models.basicvsr.config import VARIANTS, BasicVSRConfig
from daflow_jax.models.entry import Entry, Example, Part, clip_example


def example(config: BasicVSRConfig) -> Example:
    """Returns a call on two frames of the smallest size."""
    return clip_example(config, frames=2)


BASICVSR = Entry(
    family="basicvsr",
    kind="restoration",
    config=BasicVSRConfig,
    module="daflow_jax.models.basicvsr.model:BasicVSR",
    presets=VARIANTS,
    example=example,
    recurrence="daflow_jax.models.basicvsr.model:RECURRENCE",
    parts={"flow": Part("spynet", "spynet")},
    checkpoints="daflow_jax.models.basicvsr.convert:ARCHITECTURES",
)
