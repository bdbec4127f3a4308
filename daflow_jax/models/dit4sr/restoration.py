"""Restoring clips with a `Restorer`: the options of a call, checked and put into its terms."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors
from daflow_jax.models.dit4sr.config import RestorerConfig
from daflow_jax.models.dit4sr.restorer import Embeddings, Guidance


def restore(
    module: Any,
    variables: Any,
    key: jax.Array,
    clips: jax.Array,
    *,
    steps: int = 1,
    guidance: float = 1.0,
    prompt: tuple[Any, Any] | None = None,
    negative: tuple[Any, Any] | None = None,
) -> jax.Array:
    """Returns restored clips (b, f, h, w, 3) in [0, 1] after `steps` denoising steps.

    `prompt` and `negative` are encoded: token embeddings (t, dt) and pooled ones (dp,).
    """
    prompts = (None if p is None else Embeddings(*map(jnp.asarray, p)) for p in (prompt, negative))
    steering = Guidance(*prompts, scale=guidance)
    return module.apply(variables, clips, key, steps, steering, method="restore")


def check(config: RestorerConfig, options: Mapping[str, Any]) -> None:
    """Raises UserError for a network that cannot restore, and for options that do not fit."""
    if config.dit.form != "full":
        rule = "was slimmed to the features that flow reads and cannot restore"
        raise errors.UserError("the model", rule, "Use the model it was made from")
    guidance, prompt = options.get("guidance", 1.0), options.get("prompt")
    if guidance != 1 and prompt is None:
        raise errors.UserError(
            f"guidance {guidance:g}",
            "leads towards a positive prompt, and none is given",
            "Pass the encoded prompt, or use guidance 1",
        )
    if guidance == 1 and options.get("negative") is not None:
        rule = "is not read at guidance 1"
        raise errors.UserError("negative prompt", rule, "Raise guidance or leave it out")
    for name in ("prompt", "negative"):
        if options.get(name) is not None:
            _check_prompt(name, options[name], config)


def _check_prompt(name: str, prompt: Any, config: RestorerConfig) -> None:
    shapes = [np.shape(part) for part in prompt]
    widths = config.dit.text_width, config.dit.pooled_width
    if [len(s) for s in shapes] != [2, 1] or (shapes[0][1], shapes[1][0]) != widths:
        found = " and ".join(map(str, shapes))
        rule = f"has shapes {found}; the model reads (tokens, {widths[0]}) and ({widths[1]},)"
        raise errors.UserError(name, rule, "Encode it for this model")
