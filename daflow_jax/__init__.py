"""DA-Flow in JAX: optical flow that holds on degraded video.

>>> import daflow_jax as daflow
>>> model = daflow.load(daflow.DEFAULT_MODEL)  # a RAFT that adapts to degraded frames
>>> flow = model(frames)  # (T, H, W, 3) -> float32 (T-1, H, W, 2), pixels (dx right, dy down)
"""

import importlib
from typing import Any

__version__ = "0.1.0"
DEFAULT_MODEL = "raft-degraded"  # ships with the package; runs unless another is named
DEFAULT_INTERPOLATOR: str | None = None  # none ships yet

_HOMES = {  # public name: the module that defines it
    "FeatureModel": "predict",
    "FlowModel": "predict",
    "InterpolationModel": "predict",
    "RestorationModel": "predict",
    "Result": "predict",
    "create": "api",
    "flow_to_rgb": "viz",
    "interpolate": "api",
    "load": "api",
    "read_flow": "io.flow",
    "read_image": "io.image",
    "read_video": "io.video",
    "restore": "api",
    "save": "api",
    "warp": "api",
    "write_flow": "io.flow",
    "write_image": "io.image",
}
_MODULES = ("degrade", "evaluate", "metrics", "models", "sharding", "tasks")

__all__ = ["DEFAULT_MODEL", "__version__", *_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    """Returns a public name, importing its module on first use: importing us starts no backend."""
    if name in _HOMES:
        module = importlib.import_module(f"daflow_jax.{_HOMES[name]}")
        return getattr(module, {"read_video": "frames"}.get(name, name))
    if name in _MODULES:
        return importlib.import_module(f"daflow_jax.{name}")
    raise AttributeError(f"module 'daflow_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
