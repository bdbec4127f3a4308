"""RAFT with a second cost volume in the registry."""

from collections.abc import Mapping
from typing import Any

from daflow_jax.models.daflow_cost import trainable
from daflow_jax.models.daflow_cost.config import VARIANTS, DAFlowCostConfig
from daflow_jax.models.entry import Entry, Example, clip_example
from daflow_jax.models.raft.entry import ITERS


def example(config: DAFlowCostConfig) -> Example:
    """Returns a call with one step of refinement on frames of the smallest size."""
    return clip_example(config, options={"iters": 1}, streams=("noise",))


def check_call(config: DAFlowCostConfig, options: Mapping[str, Any]) -> None:
    """Raises UserError for taps that the trunk does not have, or not on a grid that fits."""
    del options
    if config.trunk is not None:
        from daflow_jax.models import taps

        taps.chosen(config.trunk, config.taps)
        taps.check_stride(config.trunk, config.shrink, config.stride)


DAFLOW_COST = Entry(
    family="daflow_cost",
    kind="flow",
    config=DAFlowCostConfig,
    module="daflow_jax.models.daflow_cost.model:DAFlowCost",
    presets=VARIANTS,
    example=example,
    call_options=(ITERS,),
    streams=("noise",),
    refines=True,
    check_call=check_call,
    trainable=trainable.sets,
    taps="daflow_jax.models.daflow_cost.taps:TAPS",
)
