"""MaskFormer without classes in the registry."""

from daflow_jax.models.entry import Entry, Example, MeshLimit, Part, clip_example
from daflow_jax.models.maskformer.config import VARIANTS, MaskFormerConfig


def example(config: MaskFormerConfig) -> Example:
    """Returns a call on one frame of the smallest size of two cells a side."""
    side = -(-2 * config.backbone.stride // config.multiple) * config.multiple
    return clip_example(config, side=max(side, config.minimum))


def mesh_limits(config: MaskFormerConfig, height: int) -> dict[str, MeshLimit]:
    """Returns that a mesh splits the heads of the queries' transformer."""
    del height
    return {"tensor": MeshLimit("attention heads", config.heads)}


def trainable(config: MaskFormerConfig) -> dict[str, tuple[str, ...]]:
    """Returns "head": all but the backbone."""
    del config
    return {"head": ("(?!(.*/)?backbone/).*",)}


MASKFORMER = Entry(
    family="maskformer",
    kind="segmentation",
    config=MaskFormerConfig,
    module="daflow_jax.models.maskformer.model:MaskFormer",
    presets=VARIANTS,
    example=example,
    mesh_limits=mesh_limits,
    trainable=trainable,
    parts={"features": Part("backbone", "backbone")},
)
