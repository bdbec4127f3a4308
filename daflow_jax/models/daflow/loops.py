"""The loops over equal blocks of a DA-Flow's backbone."""

from typing import Any

from daflow_jax.models.daflow.config import DAFlowConfig
from daflow_jax.models.dit4sr import loops


def restored(variables: Any, config: DAFlowConfig) -> Any:
    """Returns `variables`, with single blocks or loops, with the loops of `config`."""
    return loops.restored(variables, config.backbone)
