"""Every published array of autoencoder, DPT heads, schedule and colour fix beside ours."""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.convert import engine, rules
from daflow_jax.models.daflow import dpt, vggt
from daflow_jax.models.vae import convert
from daflow_jax.models.vae.config import VAEConfig
from daflow_jax.models.vae.model import VAE
from daflow_jax.ops import color, diffusion
from tests.golden import weights
from tests.models import backbone_golden as golden
from tests.models.parity import Row

VAE_BOUND, DPT_BOUND, COLOR_BOUND = 3e-5, 2e-5, 3e-6


def vae(name, seed, images):
    """Returns the autoencoder of a name list and its converted variables."""
    file = golden.names(name)
    sizes = file["config"]
    config = VAEConfig(
        widths=tuple(sizes["block_out_channels"]),
        blocks=sizes["layers_per_block"],
        groups=sizes["norm_num_groups"],
        channels=sizes["latent_channels"],
    )
    module = VAE(config)
    state = weights.state_dict(dict(file["params"]), seed)
    flat = engine.convert(state, convert.RULES, golden.shapes(module, images)).parameters
    return module, engine.unflatten(flat)


def vae_tiny(seed):
    """The tiny autoencoder, layer by layer."""
    arrays = golden.arrays(f"vae_tiny_s{seed}")
    images = jnp.asarray(golden.nhwc(arrays["img"]))
    module, variables = vae(f"vae_tiny_{golden.SETS[seed]}", seed, images)
    eps = jnp.asarray(golden.nhwc(arrays["eps"]))

    def chain(module, images):
        moments = module.moments(images)
        sample = moments.mean + moments.std * eps
        latent = module.scaled(sample)
        return {**moments._asdict(), "std": moments.std, "sample": sample, "latent": latent,
                "decoded": module.decode(latent)}  # fmt: skip

    apply = golden.captured(functools.partial(module.apply, method=chain))
    found, inner = golden.jit(apply)(variables, images)
    for name in (k for k in arrays if k.startswith("rec.")):
        short = name.removeprefix("rec.")
        ours = (
            found[short] if short in found else inner[_layer(short, len(module.config.widths))][0]
        )
        yield Row(name, golden.nchw(np.asarray(ours)), arrays[name], VAE_BOUND, "peak")


def _layer(name, depth):
    """Returns the path of the layer whose output the published name stands for."""
    part, layer = name.split(".")
    part, last = {"enc": ("encoder", 1), "dec": ("decoder", 2)}[part]
    if match := re.fullmatch(r"(down|up)(\d)", layer):
        kind, index = match[1], int(match[2])
        layer = f"{kind}_{index}_{kind}sample"
        if index == depth - 1:
            layer = f"{kind}_{index}_resnet_{last}"
    layer = {"moments": "conv_out", "out": "conv_out"}.get(layer, layer)
    return f"{part}/{layer}/__call__"


def vae_full(seed):
    """SD3's autoencoder at its full size."""
    arrays = golden.arrays(f"vae_full_s{seed}")
    images = np.tanh(weights.normal("input.vaefull.img", (1, 3, 48, 64), seed))
    images = jnp.asarray(golden.nhwc(images))
    module, variables = vae("sd3_vae_full", seed, images)

    def chain(module, images):
        moments = module.moments(images)
        return {**moments._asdict(), "decoded_mean": module.decode(module.scaled(moments.mean))}

    found = golden.jit(functools.partial(module.apply, method=chain))(variables, images)
    for name, want in arrays.items():
        yield Row(name, golden.nchw(np.asarray(found[name])), want, VAE_BOUND, "peak")


def _transposed(x):
    """(in, out, kh, kw) -> (in, kh, kw, out)."""
    return x.transpose(0, 2, 3, 1)


def _dpt_rules(config, trunk=""):
    up = "".join(str(i) for i, factor in enumerate(config.resize) if factor > 1)
    upsampling = (
        rules.layer(rf"resize_layers\.([{up}])", rf"{trunk}resize_\1", _transposed) if up else []
    )
    one = engine.dense_from_conv
    return upsampling + [
        *rules.norm("norm", f"{trunk}norm"),
        *rules.layer(r"projects\.(\d)", rf"{trunk}project_\1", one),
        *rules.layer(r"resize_layers\.(3)", rf"{trunk}resize_\1"),
        *rules.layer(r"scratch\.(layer\d_rn)", rf"{trunk}\1"),
        *rules.layer(r"scratch\.(refinenet\d)\.out_conv", rf"{trunk}\1/out_conv", one),
        *rules.layer(r"scratch\.(refinenet\d)\.resConfUnit(\d)\.(conv\d)", rf"{trunk}\1/unit\2/\3"),
        *rules.layer(r"scratch\.output_conv1", f"{trunk}output_conv"),
        *rules.layer(r"scratch\.output_conv2\.0", "hidden"),
        *rules.layer(r"scratch\.output_conv2\.2", "output", one),
    ]


def head_variables(module, params, seed, levels, grid):
    """Returns the converted variables of a DPT or VGGT head."""
    target = golden.shapes(module, levels, grid=grid)
    state = weights.state_dict(dict(params), seed)
    whole = isinstance(module, vggt.VGGTHead)
    config = module.config.trunk if whole else module.config
    table = _dpt_rules(config, "trunk/" if whole else "")
    return engine.unflatten(engine.convert(state, table, target).parameters)


def _run_head(module, params, seed, levels, grid):
    variables = head_variables(module, params, seed, levels, grid)
    apply = golden.captured(module.apply, ("__call__", "_level"))
    return golden.jit(lambda v, x: apply(v, x, grid))(variables, levels)


FLOW_HEADS = {
    "r2211_noup": dict(resize=(2, 2, 1, 1)),
    "r1122_up2": dict(resize=(1, 1, 2, 2), double_last=True),
    "r1122_up1": dict(resize=(1, 1, 2, 2), output=1),
    "r1111_up2": dict(resize=(1, 1, 1, 1), double_last=True),
    "r4211_stock_up2_to_H8": dict(resize=(4, 2, 1, 0.5), double_last=True),
}


def dpt_heads(seed):
    """VGGT's heads, the forms for flow, position codes and the residual unit."""
    arrays, file = golden.arrays(f"dpt_s{seed}"), golden.names(f"dpt_tiny_{golden.SETS[seed]}")
    levels = tuple(jnp.asarray(arrays[f"feat{i}"]) for i in range(4))
    sizes, grid = file["config"], tuple(file["grid"])
    channels = dict(features=sizes["features"], channels=tuple(sizes["out_channels"]))
    for name, head in file["heads"].items():
        run = functools.partial(
            _run_head, params=head["params"], seed=seed, levels=levels, grid=grid
        )
        if name == "stock_track":
            out, _ = run(dpt.DPTHead(dataclasses.replace(vggt.TRACK, **channels)))
            yield Row(f"{name}.feat", golden.nchw(out), arrays[f"{name}.feat"], DPT_BOUND, "peak")
        elif name.startswith("stock"):
            config = {"stock_point": vggt.POINT, "stock_depth": vggt.DEPTH}[name]
            trunk = dataclasses.replace(
                config.trunk, **channels, output_features=sizes["features"] // 2
            )
            out, _ = run(vggt.VGGTHead(dataclasses.replace(config, trunk=trunk)))
            for kind, ours in zip(("pred", "conf"), out, strict=True):
                yield Row(f"{name}.{kind}", ours, arrays[f"{name}.{kind}"], DPT_BOUND, "peak")
        else:
            config = dpt.DPTConfig(**channels, position="both", **FLOW_HEADS[name])
            yield from _flow_head(name, run(dpt.DPTHead(config)), arrays)
    yield from _dpt_parts(seed, arrays, file)


def _flow_head(name, run, arrays):
    out, inner = run
    found = {"out": out, "conv1": inner["output_conv/__call__"][0]}
    for i in range(4):
        found[f"proj_pos_resize{i + 1}"] = inner["_level"][i]
        found[f"rn{i + 1}"] = inner[f"layer{i + 1}_rn/__call__"][0]
        found[f"path{i + 1}"] = inner[f"refinenet{i + 1}/__call__"][0]
    for kind, ours in found.items():
        if f"{name}.{kind}" in arrays:
            want = arrays[f"{name}.{kind}"]
            yield Row(f"{name}.{kind}", golden.nchw(np.asarray(ours)), want, DPT_BOUND, "peak")


def _dpt_parts(seed, arrays, file):
    for name, aspect in (("pos.only", None), ("pos.only_aspect2", 2.0)):
        channels, *grid = arrays[name].shape[1:]
        codes = 0.1 * dpt.position_map(tuple(grid), channels, aspect or grid[1] / grid[0])
        yield Row(name, golden.nchw(codes[None]), arrays[name], 2e-7, "absolute")
    prefix = "scratch.refinenet1.resConfUnit2."
    params = dict(file["heads"]["r2211_noup"]["params"])
    state = weights.state_dict({k: v for k, v in params.items() if k.startswith(prefix)}, seed)
    unit, x = dpt.ResidualUnit(), jnp.asarray(golden.nhwc(arrays["rcu.in"]))
    table = rules.layer(r".*\.(conv\d)", r"\1")
    flat = engine.convert(state, table, golden.shapes(unit, x)).parameters
    out = golden.jit(unit.apply)(engine.unflatten(flat), x)
    yield Row("rcu.out", golden.nchw(out), arrays["rcu.out"], DPT_BOUND, "peak")


def flow_dpt_full(seed):
    """The head for flow at its full size."""
    file, arrays = golden.names("flow_dpt_x2_full"), golden.arrays(f"flow_dpt_full_s{seed}")
    levels = tuple(
        jnp.asarray(weights.normal(f"input.dptfull.f{i}", (1, 3, 4, 1536), seed).reshape(1, 12, -1))
        for i in range(4)
    )
    module = dpt.DPTHead(dpt.DPTConfig(position="both"))
    out, inner = _run_head(module, file["params"], seed, levels, (3, 4))
    yield Row("out", golden.nchw(out), arrays["out"], DPT_BOUND, "peak")
    path4 = inner["refinenet4/__call__"][0]
    yield Row("path4", golden.nchw(path4), arrays["path4"], DPT_BOUND, "peak")


def scheduler():
    """Tables, sigmas of every number of steps, training draws, Euler steps."""
    arrays = golden.arrays("scheduler")
    sigmas = diffusion.training_sigmas()
    tables = {"sigma_max": sigmas[0], "sigma_min": sigmas[-1]}
    tables |= {"train.sigmas": sigmas, "train.timesteps": diffusion.TIMESTEPS * sigmas}
    for name in arrays:
        if match := re.fullmatch(r"infer(\d+)\.(sigmas|timesteps)", name):
            run = diffusion.inference_sigmas(int(match[1]))
            tables[name] = run if match[2] == "sigmas" else diffusion.TIMESTEPS * run[:-1]
        elif match := re.fullmatch(r"shift(\d)\.(train|infer10)\.sigmas", name):
            shift = float(match[1])
            run = diffusion.inference_sigmas(10, shift)
            tables[name] = diffusion.training_sigmas(shift) if match[2] == "train" else run
    for name, ours in tables.items():
        bound = 1e-3 if name.endswith("timesteps") else 1e-6
        yield Row(name, ours, arrays[name], bound, "absolute")
    for seed in (0, 1):
        yield from _draws(arrays, f"logitnormal.s{seed}")
        yield _euler(arrays, seed)


def _draws(arrays, prefix):
    draw = jnp.asarray(arrays[f"{prefix}.draw"])
    index = diffusion.table_index(draw)
    sigma = diffusion.training_sigmas()[index]
    yield Row(f"{prefix}.u", jax.nn.sigmoid(draw), arrays[f"{prefix}.u"], 1e-6, "absolute")
    yield Row(f"{prefix}.index", index, arrays[f"{prefix}.index"], 0, "exact")
    yield Row(f"{prefix}.sigma", sigma, arrays[f"{prefix}.sigma"], 1e-6, "absolute")
    timestep, want = diffusion.TIMESTEPS * sigma, arrays[f"{prefix}.timestep"]
    yield Row(f"{prefix}.timestep", timestep, want, 1e-3, "absolute")


def _euler(arrays, seed):
    shape, want = (1, 4, 4, 6), arrays[f"euler4.s{seed}.x"]
    states, sigmas = [jnp.asarray(want[0])], jnp.asarray(diffusion.inference_sigmas(4))
    for i in range(4):
        velocity = jnp.asarray(weights.normal(f"input.sched.v{i}", shape, seed))
        states.append(diffusion.euler_step(states[-1], velocity, sigmas[i], sigmas[i + 1]))
    return Row(f"euler4.s{seed}.x", np.stack(states), want, 2e-6, "absolute")


def color_fix(seed):
    """AdaIN, the wavelet form and its pieces."""
    arrays = golden.arrays(f"color_fix_s{seed}")
    content, style = (jnp.asarray(golden.nhwc(arrays[k])) for k in ("content", "style"))
    high, low = color.split(content)
    found = {
        "adain": color.adain(content, style),
        "wavelet": color.wavelet(content, style),
        "content_high": high,
        "content_low": low,
        "blur1": color.blur(content, 1),
        "blur16": color.blur(content, 16),
    }
    for name, ours in found.items():
        yield Row(name, golden.nchw(np.asarray(ours)), arrays[name], COLOR_BOUND, "peak")
