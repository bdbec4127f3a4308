"""Sets of parameters to train, by name."""

from daflow_jax.models.raft.config import RAFTConfig


def sets(config: RAFTConfig) -> dict[str, tuple[str, ...]]:
    """Returns name -> patterns of whole parameter paths: "uncertainty", the head of the mixture if
    there is one, which changes no flow.
    """
    return {"uncertainty": ("update/info_head/.*",)} if config.uncertainty else {}
