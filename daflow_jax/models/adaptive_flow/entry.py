"""Flow networks that adapt to degraded frames in the registry."""

from collections.abc import Mapping
from typing import Any

from daflow_jax import errors
from daflow_jax.models.adaptive_flow.config import VARIANTS, AdaptiveFlowConfig
from daflow_jax.models.entry import Entry, Example, clip_example
from daflow_jax.models.raft.entry import ITERS


def example(config: AdaptiveFlowConfig) -> Example:
    """Returns a call with one step of refinement on frames of the smallest size."""
    return clip_example(config, options={"iters": 1})


def trainable(config: AdaptiveFlowConfig) -> dict[str, tuple[str, ...]]:
    """Returns "gate", what says how degraded a clip is, and "change", what is then added."""
    return {name: (f"{name}/.*",) for name in ("gate", "change")}


def check_call(config: AdaptiveFlowConfig, options: Mapping[str, Any]) -> None:
    """Raises UserError for an inner network that does not refine a flow, or draws numbers."""
    del options
    from daflow_jax.models import registry

    inner = registry.entry_of(config.flow)
    if not inner.refines or inner.streams:
        rule = f"a {inner.family} network is no flow network that refines without random numbers"
        raise errors.UserError("flow", rule, "Name one such as raft, raft-small or sea-raft-s")


ADAPTIVE_FLOW = Entry(
    family="adaptive_flow",
    kind="flow",
    config=AdaptiveFlowConfig,
    module="daflow_jax.models.adaptive_flow.model:AdaptiveFlow",
    presets=VARIANTS,
    example=example,
    call_options=(ITERS,),
    refines=True,
    check_call=check_call,
    trainable=trainable,
)
