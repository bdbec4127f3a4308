"""The published files that become a restorer: DiT4SR, and SD3.5-medium, which it starts from."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax import errors
from daflow_jax.convert import checkpoint
from daflow_jax.convert.architecture import Architecture, Companion, Joined, Request
from daflow_jax.convert.engine import Initial
from daflow_jax.io.mapped import Region
from daflow_jax.models.dit4sr import convert
from daflow_jax.models.dit4sr.config import RestorerConfig
from daflow_jax.models.vae import convert as vae_convert

VAE = Companion("vae", ("FILE",), "SD3's autoencoder: checkpoint or folder")
PROMPT = Companion(
    "prompt",
    ("TEXT", "POOLED"),
    "the encoding of the empty prompt, two files in place of the text encoders; or zeros, a "
    "stand-in that published weights have never seen",
)
_ZEROS = ("zeros",)
_ZERO_PROMPT: tuple[Initial, ...] = ((r"params/prompt/(text|pooled)", None),)
_CONTROL_KEY = r".*\.to_k_control\.(weight|bias)"


def join(request: Request, state: Mapping[str, np.ndarray]) -> Joined:
    """Returns the tensors of the autoencoder and of the prompt, by the names that the rules expect.

    DiT4SR's first release has its own lq key; the later ones left `to_k_control` at zero and take
    the lq key from the hq key (`dit.lq_key`, unless the request sets it).
    """
    files = request.companions.get("vae", ())
    if not files:
        rule = "is missing; this network works on SD3's latents"
        raise errors.UserError("--vae", rule, "Give the autoencoder's file")
    regions = dict(checkpoint.read(files[0]).regions)
    prompt = tuple(request.companions.get("prompt", ()))
    keys = [name for name in state if re.fullmatch(_CONTROL_KEY, name)]
    overrides = {}
    if keys and "dit.lq_key" not in request.overrides:
        overrides["dit.lq_key"] = "own" if any(state[k].any() for k in keys) else "hq_twice"
    if prompt == _ZEROS:
        return Joined(regions, overrides, _ZERO_PROMPT, {"prompt": "stand-in: zeros"})
    names = [Path(file).name for file in prompt]
    return Joined({**regions, **_prompt(prompt)}, overrides, (), {"prompt": names})


def _prompt(files: tuple[Any, ...]) -> dict[str, Region]:
    if len(files) != 2:
        rule = f"has {len(files)} files; the empty prompt's encoding is two, TEXT and POOLED"
        remedy = "Give both, or --prompt zeros as a stand-in that the weights have never seen"
        raise errors.UserError("--prompt", rule, remedy)
    regions = {}
    for name, file in zip(("text", "pooled"), files, strict=True):
        region = checkpoint.read_one(file)
        shape = region.shape
        squeezed = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape  # a batch of one
        strides = region.strides[-len(squeezed) :] if region.strides else None
        regions[f"prompt.{name}"] = region._replace(shape=squeezed, strides=strides)
    return regions


def check_positions(
    request: Request, state: Mapping[str, np.ndarray], config: RestorerConfig
) -> None:
    """Raises UserError unless the published position table is the one that the network computes."""
    table = state.get("pos_embed.pos_embed")
    if table is None:
        return
    side, width = config.dit.position_table, config.dit.width
    if table.size != side * side * width:
        rule = f"its position table has shape {table.shape}, not (1, {side * side}, {width})"
        raise errors.UserError(request.file, rule, "The file is of another architecture")
    error = convert.position_error(table, config.dit)
    if error > 1e-5:
        raise errors.UserError(
            request.file,
            f"its position table differs from the formula by {error:.2g}",
            "It was trained with other codes; this network computes them and cannot use it",
        )


def _ignored(config: RestorerConfig):
    return convert.ignored(config.dit)


ARCHITECTURES: dict[str, Architecture] = {
    "dit4sr": Architecture(
        ("restorer-base",),
        r"transformer_blocks\.0\.attn\.to_q_control\.weight",
        convert.restorer_rules(),
        _ignored,
        f"Pi-Lab License 1.0 (non-commercial); built on SD3.5-medium, {vae_convert.TERMS}",
        companions=(VAE, PROMPT),
        join=join,
        check=check_positions,
    ),
    "sd3.5-medium": Architecture(
        ("restorer-base",),
        r"transformer_blocks\.0\.attn\.to_q\.weight",
        convert.restorer_rules(),
        _ignored,
        vae_convert.TERMS,
        initial=convert.FROM_SD35,
        companions=(VAE, PROMPT),
        join=join,
        check=check_positions,
    ),
}
