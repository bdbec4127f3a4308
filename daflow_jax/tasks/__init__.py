"""What is learned, by name."""

from daflow_jax.tasks.base import BaseTask, LossOut, Network, Task
from daflow_jax.tasks.degradation import Degradation
from daflow_jax.tasks.dense_contrast import DenseContrast
from daflow_jax.tasks.dora import DoRA
from daflow_jax.tasks.flow_equivariance import FlowEquivariance
from daflow_jax.tasks.inputs import Input
from daflow_jax.tasks.interpolation import Interpolation
from daflow_jax.tasks.motion_segmentation import MotionSegmentation
from daflow_jax.tasks.optical_flow import OpticalFlow
from daflow_jax.tasks.restoration import Restoration
from daflow_jax.tasks.video_restoration import VideoRestoration

TASKS: dict[str, type] = {
    "optical_flow": OpticalFlow,
    "restoration": Restoration,
    "interpolation": Interpolation,
    "video_restoration": VideoRestoration,
    "flow_equivariance": FlowEquivariance,
    "dense_contrast": DenseContrast,
    "dora": DoRA,
    "motion_segmentation": MotionSegmentation,
    "degradation": Degradation,
}


def register(name: str, kind: type) -> type:
    """Adds a task to those that a configuration may name, before it is read; returns it.

    A configuration file may do so itself. Raises ValueError for a name that another task has.
    """
    if TASKS.get(name, kind) is not kind:
        raise ValueError(f"task {name!r} is registered already; take another name")
    TASKS[name] = kind
    return kind


__all__ = [
    "TASKS", "BaseTask", "Input", "Interpolation", "LossOut", "Network", "OpticalFlow",
    "Restoration", "Task", "register",
]  # fmt: skip
