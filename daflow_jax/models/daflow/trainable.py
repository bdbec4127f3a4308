"""Sets of parameters to train, by name."""

from daflow_jax.models.daflow.config import DAFlowConfig
from daflow_jax.models.dit4sr import trainable


def sets(config: DAFlowConfig) -> dict[str, tuple[str, ...]]:
    """Returns name -> patterns of whole parameter paths: the backbone's sets, and "flow", all but
    the backbone (DA-Flow, sec. 4.4).
    """
    inner = trainable.sets(config.backbone)
    prefixed = {name: tuple(f"backbone/{p}" for p in each) for name, each in inner.items()}
    return {"flow": ("(?!backbone/).*",), **prefixed}
