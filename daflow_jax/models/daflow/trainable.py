"""Sets of parameters to train, by name."""

from daflow_jax.models.daflow.config import DAFlowConfig
from daflow_jax.models.dit4sr import trainable as backbone
from daflow_jax.models.raft import trainable as raft


def sets(config: DAFlowConfig) -> dict[str, tuple[str, ...]]:
    """Returns name -> patterns of whole parameter paths: the sets of the backbone and of the RAFT,
    and "flow", all but the backbone (DA-Flow, sec. 4.4).
    """
    parts = {"backbone": backbone.sets(config.backbone), "flow": raft.sets(config.flow)}
    prefixed = {
        name: tuple(f"{part}/{pattern}" for pattern in patterns)
        for part, sets_of_part in parts.items()
        for name, patterns in sets_of_part.items()
    }
    return {"flow": ("(?!backbone/).*",), **prefixed}
