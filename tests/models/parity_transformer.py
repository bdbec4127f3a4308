"""Every published array of SD3.5's and DiT4SR's transformers beside ours, a generator a fixture."""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.convert import engine
from daflow_jax.losses import rectified_flow
from daflow_jax.models.dit4sr import blocks, convert
from daflow_jax.models.dit4sr.attention import Streams
from daflow_jax.models.dit4sr.config import VARIANTS
from daflow_jax.nn import embed
from daflow_jax.ops import diffusion
from tests.golden import weights
from tests.models import backbone_golden as golden
from tests.models.parity import Row

BOUND = 2e-5
LOSS, GRADIENT = 1e-6, 5e-5
LQ_KEY = {"hq": "hq_twice", "own": "own"}
FOLDING = {
    "all.fold12": dict(),
    "all.fold1": dict(lift_attn2="frame"),
    "late.fold12": dict(folded_blocks="late"),
    "none": dict(folded_blocks="none"),
}


@functools.cache
def _run(config, fixture, seed):
    """Returns output and intermediates of one network on the inputs of a fixture."""
    arrays = golden.arrays(fixture)
    module, variables = golden.dit(config, seed)
    apply = golden.captured(module.apply, ("__call__", "_tokens"))
    inputs = golden.dit_inputs(arrays, int(arrays.get("frames", 1)))
    return jax.tree.map(np.asarray, golden.jit(apply)(variables, *inputs))


def _recorded(name, run, frames):
    """Returns our value of the published intermediate `name`, frames of a clip along the batch."""
    out, inner = run
    if name == "out":
        return golden.nchw(_merged(out.prediction))
    if name == "temb":
        temb = inner["time_embed/__call__"][0] + inner["pooled_embed/__call__"][0]
        return np.repeat(temb, frames, 0)
    if name.endswith("_in"):
        return _stream(inner["_tokens"][0], name.removesuffix("_in"), frames)
    block, rest = re.fullmatch(r"block(\d+)\.(.+)", name).groups()
    inner = {k.removeprefix(f"blocks_{block}/"): v for k, v in inner.items()}
    if rest == "control":
        return _tokens(inner["ff/control_conv/__call__"][0])
    if rest.endswith("_out"):
        key = f"blocks_{block}/__call__" if f"blocks_{block}/__call__" in inner else "__call__"
        return _stream(inner[key][0][0], rest.removesuffix("_out"), frames)
    return _attention(rest, inner)


def _attention(name, inner):
    """Returns raw projections (bf, n, d), or what attention uses, (bf, heads, n, head_dim)."""
    attention, stream, kind, raw = re.fullmatch(r"(\w+)\.(hq|lq)_([qk])(_raw)?", name).groups()
    if not raw:
        x = inner[f"{attention}/norm_{kind}/__call__"]["hq lq".split().index(stream)]
        return np.moveaxis(_merged(x), 2, 1)
    layer = f"to_{kind}" if stream == "hq" else f"to_{kind}_control"
    return _merged(inner[f"{attention}/{layer}/__call__"][0])


def _merged(x):
    return x.reshape(-1, *x.shape[2:])


def _tokens(x):
    return x.reshape(x.shape[0] * x.shape[1], -1, x.shape[-1])


def _stream(streams, name, frames):
    if name == "txt":
        return _merged(np.repeat(streams.text, frames // streams.text.shape[1], 1))
    return _tokens(getattr(streams, name))


def sd3_tiny(seed):
    """SD3.5's own transformer: result and all intermediates."""
    fixture = f"sd3_tiny_s{seed}"
    arrays, config = golden.arrays(fixture), golden.dit_config(seed, "sd3")
    yield _position(arrays, config)
    run = _run(config, fixture, seed)
    for key in (k for k in arrays if k.startswith("rec.")):
        yield Row(key, _recorded(key.removeprefix("rec."), run, 1), arrays[key], BOUND, "peak")


def _position(arrays, config):
    side = config.position_table
    ours = embed.position_codes((side, side), config.width, side, config.position_base)
    return Row("pos_embed", ours.reshape(1, side**2, -1), arrays["pos_embed"], 1e-6, "absolute")


def dit4sr_tiny(seed):
    """DiT4SR on single frames: both lq keys, both scales, all intermediates of two of them."""
    fixture = f"dit4sr_tiny_s{seed}"
    arrays = golden.arrays(fixture)
    yield _position(arrays, golden.dit_config(seed))
    for key in LQ_KEY:
        for scale in (1.0, 1.2):
            name = f"out.lqkey_{key}.scale_{scale}"
            ours = _recorded("out", _tiny(seed, key, scale), 1)
            yield Row(name, ours, arrays[name], BOUND, "peak")
    runs = {"rec": _tiny(seed, "hq", 1.2), "rec_own10": _tiny(seed, "own", 1.0)}
    unused = _unused_lq_keys(seed, runs["rec"])
    for name, want in arrays.items():
        prefix, _, inner = name.partition(".")
        if prefix in runs:
            run = unused if inner.endswith("lq_k_raw") else runs[prefix]
            yield Row(name, _recorded(inner, run, 1), want, BOUND, "peak")


def _tiny(seed, key, scale):
    config = golden.dit_config(seed, lq_key=LQ_KEY[key], control_scale=scale)
    return _run(config, f"dit4sr_tiny_s{seed}", seed)


def _unused_lq_keys(seed, run):
    """Returns intermediates of a network with lq keys of its own, every block on the inputs that it
    has in `run`, whose network does not compute them (the published one does and drops them)."""
    config = golden.dit_config(seed, lq_key="own")
    _, variables = golden.dit(config, seed)
    inner = run[1]
    temb = inner["time_embed/__call__"][0] + inner["pooled_embed/__call__"][0]
    inputs = [inner["_tokens"][0]]
    inputs += [inner[f"blocks_{i}/__call__"][0][0] for i in range(config.depth - 1)]

    def blocks_alone(params, temb, inputs):
        found = {}
        for i, x in enumerate(inputs):
            apply = golden.captured(blocks.Block(config, i).apply)
            _, one = apply({"params": params[f"blocks_{i}"]}, x, jax.nn.silu(temb))
            found |= {f"blocks_{i}/{path}": value for path, value in one.items()}
        return found

    return None, golden.jit(blocks_alone)(variables["params"], temb, inputs)


def dit4sr_lifted(seed, outputs=r".*"):
    """Clips: which blocks and attentions fold, both lq keys, intermediates of the full folding.

    `outputs` matches the variants that are run, each of them a program of its own.
    """
    fixture = f"dit4sr_lifted_s{seed}"
    arrays = golden.arrays(fixture)
    frames = int(arrays["frames"])
    for name in (k for k in arrays if k.startswith("out.")):
        if not re.fullmatch(outputs, name.removeprefix("out.")):
            continue
        folding, key, scale = re.fullmatch(
            r"out\.(.+)\.lqkey_(hq|own)(?:\.scale_(.+))?", name
        ).groups()
        run = _lifted(seed, folding, key, float(scale or 1))
        yield Row(name, _recorded("out", run, frames), arrays[name], BOUND, "peak")
    run = _lifted(seed, "all.fold12", "own", 1.0)
    for name in (k for k in arrays if k.startswith("rec.")):
        ours = _recorded(name.removeprefix("rec."), run, frames)
        yield Row(name, ours, arrays[name], BOUND, "peak")


def _lifted(seed, folding, key, scale):
    config = golden.dit_config(seed, lq_key=LQ_KEY[key], control_scale=scale, **FOLDING[folding])
    return _run(config, f"dit4sr_lifted_s{seed}", seed)


def dit4sr_fullblock(seed):
    """Single blocks of the full width: a dual one, a plain one, the last one."""
    arrays = golden.arrays(f"dit4sr_fullblock_s{seed}")
    for case in sorted({name.rpartition(".")[0] for name in arrays if "." in name}):
        index, key = re.fullmatch(r"block(\d+)\.lqkey_(hq|own)", case).groups()
        out = _full_block(arrays["grid"], seed, int(index), key)
        for stream in ("hq", "lq", "txt"):
            if f"{case}.{stream}" in arrays:
                want = arrays[f"{case}.{stream}"]
                yield Row(f"{case}.{stream}", _stream(out, stream, 1), want, BOUND, "peak")


def _full_block(grid, seed, index, key):
    config = dataclasses.replace(
        VARIANTS["restorer-base"].dit, lq_key=LQ_KEY[key], attention="plain"
    )
    lengths = {"hq": grid.prod(), "lq": grid.prod(), "txt": 6 if seed == 0 else 4}
    hq, lq, text = (
        weights.normal(f"input.full.{k}", (1, n, config.width), seed) for k, n in lengths.items()
    )
    hq, lq = (jnp.asarray(x.reshape(1, 1, *grid, -1)) for x in (hq, lq))
    temb = weights.normal("input.full.temb", (1, config.width), seed)
    inputs = (Streams(hq, lq, jnp.asarray(text)[:, None]), jax.nn.silu(jnp.asarray(temb)))
    module = blocks.Block(config, index)
    out, _ = golden.jit(module.apply)(_block_variables(module, inputs, seed), *inputs)
    return jax.tree.map(np.asarray, out)


def _block_variables(module, inputs, seed):
    prefix, path = f"transformer_blocks.{module.index}.", f"params/blocks_{module.index}/"
    ignored = [pattern for pattern, *_ in convert.ignored(module.config)]
    state = _block_state(prefix, seed)
    state = {k: v for k, v in state.items() if not any(re.fullmatch(d, k) for d in ignored)}
    target = {k.replace("params/", path): v for k, v in golden.shapes(module, *inputs).items()}
    flat = engine.convert(state, convert.RULES, target).parameters
    return engine.unflatten({k.replace(path, "params/"): v for k, v in flat.items()})


@functools.lru_cache(1)
def _block_state(prefix, seed):
    names = dict(golden.names("dit4sr_full")["params"])
    return weights.state_dict({k: v for k, v in names.items() if k.startswith(prefix)}, seed)


def dit4sr_train(seed):
    """One step of the published loss: prediction, loss, gradients; images and clips."""
    arrays = golden.arrays(f"dit4sr_train_s{seed}")
    draw = jnp.asarray(arrays["logit_normal_draw"])
    index = diffusion.table_index(draw)
    sigma = jnp.asarray(diffusion.training_sigmas())[index]
    yield Row("u", jax.nn.sigmoid(draw), arrays["u"], 1e-6, "absolute")
    yield Row("index", index, arrays["index"], 0, "exact")
    yield Row("sigma", sigma, arrays["sigma"], 1e-6, "absolute")
    timestep = diffusion.TIMESTEPS * sigma
    yield Row("timestep", timestep, arrays["timestep"], 1e-3, "absolute")
    for mode in ("image", "image_own", "clip"):
        yield from train_mode(arrays, seed, mode)


def train_mode(arrays, seed, mode):
    """Prediction, loss and gradients of one mode."""
    config = golden.dit_config(seed, lq_key="hq_twice" if mode == "image" else "own")
    velocity, loss, grads = _gradients(arrays, config, seed, mode)
    want = arrays[f"{mode}.model_out"]
    yield Row(f"{mode}.model_out", golden.nchw(_merged(np.asarray(velocity))), want, BOUND, "peak")
    yield Row(f"{mode}.loss", loss, arrays[f"{mode}.loss"], LOSS, "relative")
    names = arrays["grad_names"].tolist()
    found = [grads.get(_rule(name)[0]) for name in names]
    absent = [name for name, grad in zip(names, found, strict=True) if grad is None]
    # of what we leave out, only the last block's text query is computed at all
    query = rf"transformer_blocks\.{config.depth - 1}\.attn\.(add_q_proj|norm_added_q)\..*"
    zero = [name for name in absent if re.fullmatch(query, name)]
    for kind, ours in (("zero_grad", zero), ("unused", sorted(set(absent) - set(zero)))):
        want = np.sort(arrays[f"{mode}.{kind}"])
        yield Row(f"{mode}.{kind}", np.sort(ours), want, 0, "exact")
    norms = np.array([0 if grad is None else np.linalg.norm(grad) for grad in found])
    control = np.array(["control" in name for name in names])
    totals = {"": norms, "_all": np.linalg.norm(norms), "_control": np.linalg.norm(norms[control])}
    for suffix, ours in totals.items():
        name = f"{mode}.grad_norm{suffix}"
        yield Row(name, ours, arrays[name], GRADIENT, "relative")
    for name in (k for k in arrays if k.startswith(f"{mode}.grad.")):
        path, layout = _rule(name.removeprefix(f"{mode}.grad."))
        yield Row(name, grads[path], layout(arrays[name]), GRADIENT, "peak")


def _gradients(arrays, config, seed, mode):
    """Returns velocity, loss and the gradient of every parameter by path."""
    kind, sigma = mode.removesuffix("_own"), jnp.asarray(arrays["sigma"])
    # 1000 sigma and the table of timesteps are rounded apart, and the loss shows it: 1e-6
    time = jnp.asarray(arrays["timestep"] / 1000, jnp.float32)
    frames = len(arrays[f"{kind}.x0"]) // len(sigma)
    x0, noise, lq = (golden.clips(arrays[f"{kind}.{k}"], frames) for k in ("x0", "noise", "lr"))
    noisy = diffusion.add_noise(x0, noise, sigma)
    prompt = jnp.asarray(arrays["txt"]), jnp.asarray(arrays["pooled"])
    module, variables = golden.dit(config, seed)

    def loss_fn(variables):
        velocity = module.apply(variables, noisy, lq, time, *prompt).prediction
        return rectified_flow.rectified_flow_loss(velocity, noisy, x0, noise, sigma), velocity

    (loss, velocity), grads = golden.jit(jax.value_and_grad(loss_fn, has_aux=True))(variables)
    return velocity, loss, engine.flatten(jax.tree.map(np.asarray, grads))


def _rule(name):
    for pattern, path, layout in convert.RULES:
        if match := re.fullmatch(pattern, name):
            return match.expand(path), layout
    raise KeyError(name)
