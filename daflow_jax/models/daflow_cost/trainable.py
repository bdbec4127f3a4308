"""Sets of parameters to train, by name."""

from daflow_jax.models.daflow_cost.config import DAFlowCostConfig
from daflow_jax.models.raft import trainable as raft

_TRUNK = "descriptors/trunk/.*"


def sets(config: DAFlowCostConfig) -> dict[str, tuple[str, ...]]:
    """Returns name -> patterns of whole parameter paths: RAFT's own sets; "flow", all but the trunk
    that lends features; "second", what a RAFT has not (gain, projection, input, restoration).
    """
    own = {
        name: tuple(f"flow/{pattern}" for pattern in patterns)
        for name, patterns in raft.sets(config.flow).items()
    }
    new = ("gain", "flow/update/second/.*")
    if config.lift.depth:
        new += ("lift/.*",)
    elif not config.other_frame:
        new += ("project/.*",)
    return {"flow": (rf"(?!{_TRUNK}).*",), "second": new, **own}
