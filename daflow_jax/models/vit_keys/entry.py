"""Keys of vision transformers in the registry."""

from daflow_jax.models.entry import Entry, Example, MeshLimit, clip_example
from daflow_jax.models.vit_keys.config import VARIANTS, ViTKeysConfig


def example(config: ViTKeysConfig) -> Example:
    """Returns a call on one frame of two patches a side."""
    return clip_example(config, side=2 * config.patch)


def mesh_limits(config: ViTKeysConfig, height: int) -> dict[str, MeshLimit]:
    """Returns that a mesh splits heads; tokens stay whole, for the class token sees all."""
    del height
    return {"tensor": MeshLimit("attention heads", config.heads)}


VIT_KEYS = Entry(
    family="vit_keys",
    kind="features",
    config=ViTKeysConfig,
    module="daflow_jax.models.vit_keys.model:ViTKeys",
    presets=VARIANTS,
    example=example,
    taps="daflow_jax.models.taps:FEATURES",
    mesh_limits=mesh_limits,
)
