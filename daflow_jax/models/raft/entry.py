"""RAFT (Teed and Deng, ECCV 2020) in the registry."""

from typing import Any

from daflow_jax.models.entry import CallOption, Entry, Example, clip_example
from daflow_jax.models.raft import trainable
from daflow_jax.models.raft.config import VARIANTS, RAFTConfig

ITERS = CallOption("iters", "refinement steps (the model's own, most often 12)")


def example(config: Any) -> Example:
    """Returns a call with one step of refinement on frames of the smallest size."""
    return clip_example(config, options={"iters": 1})


RAFT = Entry(
    family="raft",
    kind="flow",
    config=RAFTConfig,
    module="daflow_jax.models.raft.model:RAFT",
    presets=VARIANTS,
    example=example,
    call_options=(ITERS,),
    refines=True,
    trainable=trainable.sets,
    taps="daflow_jax.models.raft.taps:TAPS",
    checkpoints="daflow_jax.models.raft.convert:ARCHITECTURES",
)
