"""Sets of parameters that published recipes train, by name."""

from daflow_jax.models.dit4sr.config import DiTConfig, RestorerConfig


def sets(config: RestorerConfig) -> dict[str, tuple[str, ...]]:
    """Returns name -> patterns of whole parameter paths.

    control: what reads and bridges the lq stream; all that DiT4SR trains.
    folded_attention: the attention of the blocks that fold frames (missing if none does).
    """
    found: dict[str, tuple[str, ...]] = {"control": ("dit/blocks_.*control.*",)}
    folded = [run for run in config.dit.runs if config.dit.folds(run[0])]
    if folded:
        found["folded_attention"] = tuple(_attention(config.dit, run) for run in folded)
    return found


def _attention(config: DiTConfig, run: tuple[int, int]) -> str:
    from daflow_jax.models.dit4sr import loops  # entries are read without JAX

    second = "2?" if run[0] < config.dual_blocks and config.lift_attn2 == "fold" else ""
    return f"dit/blocks_{loops.name(*run)}/attn{second}/.*"
