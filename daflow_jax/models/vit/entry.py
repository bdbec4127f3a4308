"""Vision transformers of dense features in the registry."""

from daflow_jax.models.entry import Entry, Example, MeshLimit, clip_example
from daflow_jax.models.vit.config import VARIANTS, ViTConfig


def example(config: ViTConfig) -> Example:
    """Returns a call on one frame of two tokens a side."""
    return clip_example(config, side=2 * config.patch)


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
    taps="daflow_jax.models.taps:FEATURES",
    mesh_limits=mesh_limits,
)
