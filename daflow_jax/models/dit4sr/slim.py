"""A restorer reduced, exactly, to the features of its first denoising step.

That step always has sigma 1 and the stored prompt, so every modulation is a constant; the two
linear layers that lq tokens pass one after the other are one; nothing behind the last tap is
needed. What remains gives the same taps with about half of the parameters.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from daflow_jax.models.dit4sr.config import DiTConfig, RestorerConfig
from daflow_jax.models.dit4sr.model import DiT
from daflow_jax.models.entry import Slim

_MODULATION = re.compile(r"(dit/blocks_\d+/(?:norm1|norm1_context))/kernel")
_CONTROL = re.compile(r"(dit/blocks_\d+/attn2?)/(to_[qkv])_control/(kernel|bias)")


def first_step(config: DiTConfig) -> DiTConfig:
    """Returns the configuration of the reduced network."""
    return dataclasses.replace(config, form="first_step")


def arrays(
    config: DiTConfig, params: Mapping[str, np.ndarray], names: Sequence[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (name, array) for the reduced network's `names`, one in memory at a time.

    Args:
        config: of the full network.
        params: the restorer's, flat: "dit/...", "vae/...", "prompt/...".
        names: of the reduced restorer's parameters, flat, in the order wanted.
    """
    temb = _time_embedding(config, params)
    for name in names:
        if match := _MODULATION.fullmatch(name):
            kernel, bias = (_wide(params[f"{match[1]}/{leaf}"]) for leaf in ("kernel", "bias"))
            values = (temb @ kernel + bias)[None]
            last = name.startswith(f"dit/blocks_{config.taps[-1]}/norm1/")
            yield name, values[:, : 2 * config.width] if last else values
        elif match := _CONTROL.fullmatch(name):
            yield name, _product(params, *match.groups())
        else:
            yield name, params[name]


def _time_embedding(config, params) -> np.ndarray:
    """Returns what all modulations of the first step read, (width,)."""
    part = {k.removeprefix("dit/"): _wide(x) for k, x in params.items() if "_embed/linear" in k}
    pooled = jnp.asarray(_wide(params["prompt/pooled"]))[None]
    with jax.default_matmul_precision("highest"):
        tree = traverse_util.unflatten_dict(part, sep="/")
        temb = DiT(config).apply({"params": tree}, jnp.ones(1), pooled, method="_time")
    return np.asarray(temb)[0]


def _product(params, attention, first, leaf) -> np.ndarray:
    """Returns kernel or bias of `first` followed by its control projection."""
    control = _wide(params[f"{attention}/{first}_control/kernel"])
    product = _wide(params[f"{attention}/{first}/{leaf}"]) @ control
    return product + _wide(params[f"{attention}/{first}_control/bias"]) * (leaf == "bias")


def _wide(x) -> np.ndarray:
    return np.asarray(x, np.float32)


def _config(config: RestorerConfig) -> RestorerConfig | None:
    if config.dit.form != "full":
        return None
    return dataclasses.replace(config, dit=first_step(config.dit))


def _arrays(config: RestorerConfig, params, names) -> Iterator[tuple[str, np.ndarray]]:
    return arrays(config.dit, params, names)


SLIM = Slim(_config, _arrays)
