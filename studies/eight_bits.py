"""What compilers make of products in 8 bits: a feed-forward of base width, forward and backward.

    python -m studies.eight_bits       # the table of docs/precision.md; a minute

Programs are compiled ahead of time: for TPUs with libtpu (pip install 'daflow-jax[plan]'), for
NVIDIA GPUs with JAX's CUDA plugin ('daflow-jax[cuda12]'). Qwix is needed too: 'daflow-jax[quant]'.
"""

import os
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from daflow_jax import precision
from daflow_jax.plan import compiled, hlo, topology
from daflow_jax.profiling import peak_rates
from studies import page

PAGE = Path(__file__).parents[1] / "docs/precision.md"
WIDTH, TOKENS = 1536, 3 * 1024  # of the base restorer: one clip of 3 frames of 512 x 512
MACHINES = "v5e:1x1", "v5p:2x2x1", "v6e:1x1", "h100:1", "h200:1"
POLICIES = "bf16_mixed", "int8_mixed", "fp8_mixed"


class FeedForward(nn.Module):
    """Dense, GELU, dense: four times wider inside, as in the transformer."""

    dtype: Any = None

    @nn.compact
    def __call__(self, x):
        x = nn.gelu(nn.Dense(4 * WIDTH, dtype=self.dtype, name="proj_in")(x))
        return nn.Dense(WIDTH, dtype=self.dtype, name="proj_out")(x)


def step(policy: str):
    """Returns (function to the gradient of parameters and input, shapes of both)."""
    chosen = precision.parse(
        {"policy": policy} | ({} if policy == "bf16_mixed" else {"products": (".*",)})
    )
    net = precision.Bound(FeedForward(chosen.compute), chosen)
    x = jax.ShapeDtypeStruct((TOKENS, WIDTH), jnp.bfloat16)
    params = jax.eval_shape(lambda: net.init(jax.random.key(0), jnp.zeros(x.shape, x.dtype)))

    def loss(variables, x):
        return jnp.mean(jnp.square(net.apply(variables, x)))

    return jax.grad(loss, (0, 1)), (params, x)


def made_for(policy: str, name: str) -> dict[str, Any]:
    """Returns FLOPs by format, bytes of the peak and moved, and the estimate, or why there is no
    program."""
    target = topology.parse(name)
    device = topology.devices(target)[0]
    place = jax.sharding.SingleDeviceSharding(device)
    function, args = step(policy)
    args = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), args)
    made = jax.jit(function).lower(*args).compile()
    formats = hlo.Program(made.as_text()).flops()
    chip = peak_rates.find(device.device_kind)
    moved = compiled.cost_of(made).get("bytes accessed", 0.0)
    peak = made.memory_analysis().peak_memory_in_bytes
    times = compiled.roofline(chip, formats, moved, 0.0, 0.0)
    return {"formats": formats, "peak": peak, "moved": moved, "times": times}


def rows() -> list[str]:
    """Returns the lines of the table."""
    heads = "device", "policy", "products", "moved, MB", "peak, MB", "compute, ms", "memory, ms"
    out = [f"| {' | '.join(heads)} |", "|---|---|---|---:|---:|---:|---:|"]
    for name in MACHINES:
        for policy in POLICIES:
            try:
                x = made_for(policy, name)
            except Exception as error:  # a refusal of the compiler is a result
                out.append(f"| {name} | {policy} | none: {str(error).splitlines()[0][:120]} ||||||")
                continue
            times = x["times"]
            out.append(
                f"| {name} | {policy} | {_shares(x['formats'])} | {x['moved'] / 1e6:.0f} "
                f"| {x['peak'] / 1e6:.0f} | {1e3 * times['compute']:.2f} "
                f"| {1e3 * times['memory']:.2f} |"
            )
    return out


def _shares(formats: dict[str, float]) -> str:
    whole = sum(formats.values())
    return ", ".join(f"{k} {x / whole:.0%}" for k, x in sorted(formats.items()))


def main() -> None:
    jax.config.update("jax_platforms", "cpu")  # nothing is run on what it is compiled for
    for name in MACHINES:
        os.environ |= topology.environment(topology.parse(name))
    table = "\n".join(rows())
    print(table)
    page.fill(PAGE, "compiled", table)


if __name__ == "__main__":
    main()
