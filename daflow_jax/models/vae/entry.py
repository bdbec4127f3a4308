"""The autoencoder of Stable Diffusion 3 (Esser et al. 2024) in the registry."""

from typing import Any

from daflow_jax.models.entry import Entry, Example
from daflow_jax.models.vae.config import VARIANTS, VAEConfig


def example(config: VAEConfig) -> Example:
    """Returns a call that encodes and decodes one image of eight latents a side."""
    import jax

    side = 8 * config.reduction
    return Example((jax.ShapeDtypeStruct((1, side, side, 3), "float32"),))


def latents(module: Any, variables: Any, key: Any, clips: Any) -> Any:
    """Returns the mean latents (b, f, h/8, w/8, c) of clips (b, f, h, w, 3) in [0, 1]."""
    from einops import rearrange

    images = rearrange(2 * clips - 1, "b f h w c -> (b f) h w c")
    maps = module.apply(variables, images, method="encode")
    return rearrange(maps, "(b f) h w c -> b f h w c", b=len(clips))


VAE = Entry(
    family="vae",
    kind="features",
    config=VAEConfig,
    module="daflow_jax.models.vae.model:VAE",
    presets=VARIANTS,
    example=example,
    call=latents,
    checkpoints="daflow_jax.models.vae.convert:ARCHITECTURES",
)
