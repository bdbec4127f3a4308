"""Keys of vision transformers in the registry."""

from daflow_jax.models.entry import Entry, Example, MeshLimit
from daflow_jax.models.vit_keys.config import VARIANTS, ViTKeysConfig


def example(config: ViTKeysConfig) -> Example:
    """Returns a call on one frame of two patches a side."""
    import jax

    side = 2 * config.patch
    return Example((jax.ShapeDtypeStruct((1, config.frames, side, side, 3), "float32"),))


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
    mesh_limits=mesh_limits,
)
