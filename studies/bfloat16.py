"""What 16-bit layers change, network by network: the same weights and inputs in float32 and in
bfloat16 (parameters float32; correlation, flow, statistics and softmax stay float32).

    python -m studies.bfloat16
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import models
from daflow_jax.models.daflow import dpt
from daflow_jax.models.dit4sr.model import DiT
from daflow_jax.models.vae.model import VAE
from tests.models import backbone_golden, parity_parts, published_raft


class Difference(NamedTuple):
    """Of one output: its peak in float32, mean and largest difference in bfloat16."""

    network: str
    output: str
    peak: float
    mean: float
    largest: float


def differences() -> Iterator[Difference]:
    """Yields a row per network and output, on the inputs of the fixtures."""
    for name in ("raft", "raft-small", "sea-raft-s", "sea-raft-m"):
        yield _flow(name)
    yield from _transformer()
    yield from _autoencoder()
    yield _head()


def _difference(network, output, exact, coarse) -> Difference:
    exact, coarse = (np.asarray(x, np.float64) for x in (exact, coarse))
    gap = np.abs(exact - coarse)
    return Difference(network, output, np.abs(exact).max(), gap.mean(), gap.max())


def _flow(name) -> Difference:
    golden = np.load(published_raft.GOLDEN / f"{name.replace('-', '_')}_a.npz")
    module, variables = published_raft.load(name, 0)
    frames = published_raft.frames(golden)
    coarse = models.build(module.config, dtype=jnp.bfloat16)
    steps = module.config.iters
    flows = [
        jax.jit(functools.partial(m.apply, iters=steps))(variables, frames).flows[-1]
        for m in (module, coarse)
    ]
    return _difference(name, f"flow after {steps} iterations, px", *flows)


def _transformer() -> Iterator[Difference]:
    arrays = backbone_golden.arrays("dit4sr_lifted_s0")
    config = backbone_golden.dit_config(0)
    inputs = backbone_golden.dit_inputs(arrays, int(arrays["frames"]))
    module, variables = backbone_golden.dit(config, 0)
    exact, coarse = (
        jax.jit(m.apply)(variables, *inputs) for m in (module, DiT(config, dtype=jnp.bfloat16))
    )
    yield _difference("DiT4SR, lifted", "velocity", exact.prediction, coarse.prediction)
    for kind in ("query", "key"):
        taps = [getattr(out.taps[-1], kind) for out in (exact, coarse)]
        yield _difference("DiT4SR, lifted", f"tapped {kind}", *taps)


def _autoencoder() -> Iterator[Difference]:
    arrays = backbone_golden.arrays("vae_tiny_s0")
    images = jnp.asarray(backbone_golden.nhwc(arrays["img"]))
    latents = jnp.asarray(backbone_golden.nhwc(arrays["rec.latent"]))
    module, variables = parity_parts.vae("vae_tiny_a", 0, images)
    both = module, VAE(module.config, dtype=jnp.bfloat16)
    for method, given in (("encode", images), ("decode", latents)):
        outs = (jax.jit(functools.partial(m.apply, method=method))(variables, given) for m in both)
        yield _difference("SD3 autoencoder", method, *outs)


def _head() -> Difference:
    arrays, file = backbone_golden.arrays("dpt_s0"), backbone_golden.names("dpt_tiny_a")
    levels = tuple(jnp.asarray(arrays[f"feat{i}"]) for i in range(4))
    sizes, grid = file["config"], tuple(file["grid"])
    config = dpt.DPTConfig(
        sizes["features"], tuple(sizes["out_channels"]), position="both", resize=(2, 2, 1, 1)
    )
    params = file["heads"]["r2211_noup"]["params"]
    variables = parity_parts.head_variables(dpt.DPTHead(config), params, 0, levels, grid)
    outs = (
        jax.jit(lambda v, x, m=m: m.apply(v, x, grid))(variables, levels)
        for m in (dpt.DPTHead(config), dpt.DPTHead(config, dtype=jnp.bfloat16))
    )
    return _difference("DPT head", "feature map", *outs)


def table() -> str:
    """Returns the rows as Markdown."""
    lines = ["| network | output | peak | mean difference | largest |", "|---|---|---:|---:|---:|"]
    lines += [
        f"| {d.network} | {d.output} | {d.peak:.3g} | {d.mean:.2g} | {d.largest:.2g} |"
        for d in differences()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    jax.config.update("jax_default_matmul_precision", "highest")
    print(table())
