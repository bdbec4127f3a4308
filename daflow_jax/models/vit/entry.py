"""Vision transformers of dense features in the registry."""

from daflow_jax.models.entry import Entry, Example, MeshLimit
from daflow_jax.models.vit.config import VARIANTS, ViTConfig


def example(config: ViTConfig) -> Example:
    """Returns a call on one frame of two tokens a side."""
    import jax

    side = 2 * config.patch
    return Example((jax.ShapeDtypeStruct((1, config.frames, side, side, 3), "float32"),))


def mesh_limits(config: ViTConfig, height: int) -> dict[str, MeshLimit]:
    """Returns that a mesh splits heads; tokens stay whole, for the class token sees all."""
    del height
    return {"tensor": MeshLimit("attention heads", config.heads)}


VIT = Entry(
    family="vit",
    kind="features",
    config=ViTConfig,
    module="daflow_jax.models.vit.model:ViT",
    presets=VARIANTS,
    example=example,
    mesh_limits=mesh_limits,
)
