"""Golden arrays of the published backbone, its stand-in weights, and conversion into our layout."""

import functools
import json
import os
import pathlib

import flax
import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.convert import engine
from daflow_jax.models.dit4sr import convert as dit_convert
from daflow_jax.models.dit4sr.config import DiTConfig
from daflow_jax.models.dit4sr.model import DiT
from tests.golden import weights

# the repository keeps half of the full-size blocks; the variable names a folder with all of them
ROOT = pathlib.Path(
    os.environ.get("DAFLOW_GOLDEN_BACKBONE")
    or pathlib.Path(__file__).parents[1] / "golden" / "backbone"
)
SETS = "ab"  # name lists of seed 0 and seed 1


def arrays(name):
    with np.load(ROOT / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def names(name):
    return json.loads((ROOT / "names" / f"{name}.json").read_text())


def nhwc(x):
    return np.moveaxis(x, -3, -1)


def nchw(x):
    return np.moveaxis(x, -1, -3)


def clips(x, frames):
    """(b f) c h w -> b f h w c."""
    x = nhwc(x)
    return jnp.asarray(x.reshape(-1, frames, *x.shape[1:]))


def close(ours, golden, bound):
    ours, golden = np.asarray(ours, np.float64), np.asarray(golden, np.float64)
    assert ours.shape == golden.shape
    assert np.abs(ours - golden).max() <= bound * np.abs(golden).max()


def shapes(module, *inputs, **kwargs):
    """Returns the flat target "params/a/b" -> shape of a module, without computing anything."""
    variables = jax.eval_shape(functools.partial(module.init, **kwargs), jax.random.key(0), *inputs)
    return {
        path: leaf.shape
        for path, leaf in flax.traverse_util.flatten_dict(variables, sep="/").items()
    }


def filled(module, *inputs, **kwargs):
    """Returns variables with stand-in values, without compiling the initializers."""
    target = shapes(module, *inputs, **kwargs)
    flat = {path: weights.normal(path, shape) for path, shape in target.items()}
    for path, x in flat.items():
        flat[path] = x / np.sqrt(x.size / x.shape[-1]) if x.ndim > 1 else 1 + 0.1 * x
    return jax.tree.map(jnp.asarray, engine.unflatten(flat))


def dit_config(seed, family="dit4sr", **fields):
    """Returns the sizes of a tiny network; of the family "sd3" it has no lq stream."""
    file = names(f"{family}_tiny_{SETS[seed]}")["config"]
    sizes = dict(
        depth=file["num_layers"],
        heads=file["num_attention_heads"],
        head_dim=file["attention_head_dim"],
        dual_blocks=len(file["dual_attention_layers"]),
        channels=file["in_channels"],
        text_width=file["joint_attention_dim"],
        pooled_width=file["pooled_projection_dim"],
        position_table=file["pos_embed_max_size"],
        position_base=file["sample_size"] // file["patch_size"],
        attention="plain",
        taps=(0, 1, 2),
        lq_key="none" if family == "sd3" else "own",
    )
    return DiTConfig(**(sizes | fields))


@functools.cache
def dit_state(seed, family="dit4sr"):
    """Returns the published state dict of the tiny network, its buffer left out."""
    file = names(f"{family}_tiny_{SETS[seed]}")
    return weights.state_dict(
        {k: v for k, v in dict(file["params"]).items() if k not in file["buffers"]}, seed
    )


def dit_inputs(golden, frames=1):
    """Returns noisy, lq (None where the arrays have none), sigma, text, pooled."""
    return (
        clips(golden["x"], frames),
        clips(golden["lr"], frames) if "lr" in golden else None,
        jnp.asarray(golden["t"] / 1000, jnp.float32),
        jnp.asarray(golden["txt"]),
        jnp.asarray(golden["pooled"]),
    )


def dit(config, seed):
    """Returns the module and its converted variables."""
    return DiT(config), _dit_variables(seed, config.lq_key)


@functools.cache
def _dit_variables(seed, lq_key):
    family = "sd3" if lq_key == "none" else "dit4sr"
    config = dit_config(seed, family, lq_key=lq_key)
    latents = jnp.zeros((1, 1, 2, 2, config.channels))
    lq = None if lq_key == "none" else latents
    prompt = jnp.zeros((1, 1, config.text_width)), jnp.zeros((1, config.pooled_width))
    target = shapes(DiT(config), latents, lq, jnp.zeros(1), *prompt)
    state = dit_state(seed, family)
    flat = engine.convert(state, dit_convert.RULES, target, dit_convert.ignored(config))
    return jax.tree.map(jnp.asarray, engine.unflatten(flat.parameters))


# Tiny networks: compiling costs more than running.
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def run_dit(config, seed, inputs, **kwargs):
    module, variables = dit(config, seed)
    return jit(functools.partial(module.apply, **kwargs))(variables, *inputs)


def captured(apply, names=("__call__",)):
    """Returns a function with the arguments of `apply` (of a Linen module) that returns its output
    and, by path, the list of what every call of the named methods returned."""

    def run(*args, **kwargs):
        out, state = apply(
            *args,
            **kwargs,
            capture_intermediates=lambda _, method: method in names,
            mutable=["intermediates"],
        )
        flat = engine.flatten(state["intermediates"])
        return out, {path: list(values) for path, values in flat.items()}

    return run
