"""Flow networks that adapt to degraded frames in the registry."""

from daflow_jax.models.adaptive_flow.config import VARIANTS, AdaptiveFlowConfig
from daflow_jax.models.entry import Entry, Example, clip_example
from daflow_jax.models.raft.entry import ITERS


def example(config: AdaptiveFlowConfig) -> Example:
    """Returns a call with one step of refinement on frames of the smallest size."""
    return clip_example(config, options={"iters": 1})


def trainable(config: AdaptiveFlowConfig) -> dict[str, tuple[str, ...]]:
    """Returns "gate", what says how degraded a clip is, and "change", what is then added."""
    return {name: (f"{name}/.*",) for name in ("gate", "change")}


ADAPTIVE_FLOW = Entry(
    family="adaptive_flow",
    kind="flow",
    config=AdaptiveFlowConfig,
    module="daflow_jax.models.adaptive_flow.model:AdaptiveFlow",
    presets=VARIANTS,
    example=example,
    call_options=(ITERS,),
    refines=True,
    trainable=trainable,
    taps="daflow_jax.models.adaptive_flow.taps:TAPS",
)
