"""Published rates of accelerators, by the name that JAX gives them.

TPU: the pages "TPU v4", "TPU v5e", "TPU v5p", "TPU v6e" of the Google Cloud documentation: bf16
and 8-bit TFLOP/s of a chip, HBM and its bandwidth, and bidirectional inter-chip bandwidth, which is
halved; data center network of v5p per chip (50 Gbit/s), of v5e per pod of 256 chips (6.4 Tbit/s).
The int8 rate of v5p is that of reports of its announcement; the page has none.
NVIDIA: the data sheets of L4, L40S, A100, H100, H200 and DGX B200: tensor rates without sparsity,
and NVLink or PCIe, halved as well. They are peaks: no program reaches them.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax.typing import DTypeLike


class Chip(NamedTuple):
    """Rates of one chip, per second.

    kind: how its `device_kind` begins. bf16, float32: FLOP/s of matrix products at JAX's default
    precision, where NVIDIA uses TF32 and a TPU rounds to bf16. memory: bytes. bandwidth: bytes/s of
    that memory. links: bytes/s that it sends to other chips of its slice or machine, all links
    together, one direction. dcn: bytes/s that it sends to chips of other slices over the data
    center's network, 0 where that is not published. int8, fp8: operations/s of matrix products in 8
    bits; 0: not in this table, and counted at the rate of bf16.
    """

    name: str
    kind: str
    bf16: float
    float32: float
    memory: float
    bandwidth: float
    links: float
    dcn: float = 0.0
    int8: float = 0.0
    fp8: float = 0.0


CHIPS = (
    Chip("v4", "TPU v4", 275e12, 275e12, 32 * 2**30, 1.228e12, 300e9),
    Chip("v5e", "TPU v5 lite", 197e12, 197e12, 16 * 2**30, 0.819e12, 200e9, 3.125e9, int8=393e12),
    Chip(
        "v5p",
        "TPU v5",
        459e12,
        459e12,
        95 * 2**30,
        2.765e12,
        600e9,
        6.25e9,
        int8=918e12,
        fp8=459e12,
    ),
    Chip(
        "v5p",
        "TPU v5p",
        459e12,
        459e12,
        95 * 2**30,
        2.765e12,
        600e9,
        6.25e9,
        int8=918e12,
        fp8=459e12,
    ),
    Chip("v6e", "TPU v6 lite", 918e12, 918e12, 32 * 2**30, 1.64e12, 400e9, int8=1836e12),
    Chip("L4", "NVIDIA L4", 121e12, 60e12, 24e9, 0.3e12, 32e9),
    Chip("L40S", "NVIDIA L40S", 362e12, 183e12, 48e9, 0.864e12, 32e9),
    Chip("A100 40 GB", "NVIDIA A100", 312e12, 156e12, 40e9, 1.555e12, 300e9, int8=624e12),
    Chip("A100", "NVIDIA A100-SXM4-80GB", 312e12, 156e12, 80e9, 2.039e12, 300e9, int8=624e12),
    Chip("A100 PCIe", "NVIDIA A100 80GB PCIe", 312e12, 156e12, 80e9, 1.935e12, 32e9, int8=624e12),
    Chip(
        "H100", "NVIDIA H100", 989.4e12, 494.7e12, 80e9, 3.35e12, 450e9, int8=1979e12, fp8=1979e12
    ),
    Chip(
        "H100 PCIe",
        "NVIDIA H100 PCIe",
        756e12,
        378e12,
        80e9,
        2.0e12,
        64e9,
        int8=1513e12,
        fp8=1513e12,
    ),
    Chip(
        "H200", "NVIDIA H200", 989.4e12, 494.7e12, 141e9, 4.8e12, 450e9, int8=1979e12, fp8=1979e12
    ),
    Chip("B200", "NVIDIA B200", 2250e12, 1125e12, 180e9, 7.7e12, 900e9),
)


def find(device_kind: str) -> Chip | None:
    """Returns the chip whose kind is the longest whole-word beginning of `device_kind`, or None."""
    fitting = [chip for chip in CHIPS if _begins(device_kind, chip.kind)]
    return max(fitting, key=lambda chip: len(chip.kind), default=None)


def peak_flops(device_kind: str, dtype: DTypeLike) -> float | None:
    """Returns FLOP/s of matrix products of `dtype` on one chip at JAX's default precision.

    None for a chip or number format that the table does not know.
    """
    chip, dtype = find(device_kind), jnp.dtype(dtype)
    if chip is None:
        return None
    if dtype == jnp.bfloat16 or (dtype == jnp.float16 and chip.kind.startswith("NVIDIA")):
        return chip.bf16
    return chip.float32 if dtype == jnp.float32 else None


def _begins(text: str, start: str) -> bool:
    return text.startswith(start) and text[len(start) : len(start) + 1] in ("", " ", "-")
