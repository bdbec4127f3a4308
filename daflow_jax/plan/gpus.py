"""NVIDIA GPUs as XLA's compiler wants them described, so that it can work without one.

Facts of the A100 SXM 80 GB, H100 SXM, H200 and B200 as OpenXLA keeps them (target_config/specs) and
as NVIDIA's data sheets say.
"""

from typing import NamedTuple

from daflow_jax.profiling import peak_rates

# Kernels cannot be tried without a GPU, and tiles that nobody tried may not suit a product: it goes
# to cuBLAS instead, which suits all.
FLAGS = "--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false"
# JAX takes this share of a GPU's memory unless XLA_PYTHON_CLIENT_MEM_FRACTION says otherwise
SHARE = 0.75


class Gpu(NamedTuple):
    """kind: its name to JAX. capability: the major number of its compute capability. cores:
    streaming multiprocessors. lanes: float32 units of a core. shared, shared_block: bytes of shared
    memory of a core and, at most, of a block. memory, cache: bytes. clock: GHz.
    """

    kind: str
    capability: int
    cores: int
    lanes: int
    shared: int
    shared_block: int
    memory: int
    cache: int
    clock: float


GPUS = {
    "a100": Gpu(
        "NVIDIA A100-SXM4-80GB", 8, 108, 64, 167_936, 166_912, 85_100_068_864, 41_943_040, 1.41
    ),
    "h100": Gpu(
        "NVIDIA H100 80GB HBM3", 9, 132, 128, 233_472, 232_448, 84_942_979_072, 52_428_800, 1.98
    ),
    "h200": Gpu("NVIDIA H200", 9, 132, 128, 233_472, 232_448, 151_397_597_184, 52_428_800, 1.98),
    "b200": Gpu("NVIDIA B200", 10, 148, 128, 233_472, 232_448, 191_514_411_008, 132_644_864, 1.965),
}

_TARGET = """
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: {gpu.shared}
  threads_per_core_limit: 2048
  core_count: {gpu.cores}
  fpus_per_core: {gpu.lanes}
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: {bandwidth}
  l2_cache_size: {gpu.cache}
  clock_rate_ghz: {gpu.clock}
  device_memory_size: {gpu.memory}
  shared_memory_per_block_optin: {gpu.shared_block}
  cuda_compute_capability {{ major: {gpu.capability} {features} }}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  thread_dim_limit_x: 1024
  thread_dim_limit_y: 1024
  thread_dim_limit_z: 64
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 }}
runtime_version {{ major: 12 minor: 8 }}
device_description_str: "{gpu.kind}"
"""


def target(name: str) -> str:
    """Returns the description of a GPU as a GpuTargetConfigProto in text form."""
    gpu = GPUS[name]
    chip = peak_rates.find(gpu.kind)
    features = "feature_extension: ACCELERATED_FEATURES" if gpu.capability >= 9 else ""
    return _TARGET.format(gpu=gpu, bandwidth=int(chip.bandwidth), features=features)


def limit(name: str) -> float:
    """Returns the bytes of a GPU's memory that JAX takes by default."""
    return SHARE * GPUS[name].memory
