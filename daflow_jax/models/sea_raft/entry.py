"""SEA-RAFT (Wang, Lipson and Deng, ECCV 2024) in the registry."""

from daflow_jax.models.entry import Entry
from daflow_jax.models.raft.entry import ITERS, example
from daflow_jax.models.sea_raft.config import VARIANTS, SEARAFTConfig

SEA_RAFT = Entry(
    family="sea_raft",
    kind="flow",
    config=SEARAFTConfig,
    module="daflow_jax.models.sea_raft.model:SEARAFT",
    presets=VARIANTS,
    example=example,
    call_options=(ITERS,),
    refines=True,
    taps="daflow_jax.models.sea_raft.taps:TAPS",
    checkpoints="daflow_jax.models.sea_raft.convert:ARCHITECTURES",
)
