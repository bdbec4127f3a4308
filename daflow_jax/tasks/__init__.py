"""What is learned, by name."""

from daflow_jax.tasks.base import LossOut, Task
from daflow_jax.tasks.optical_flow import OpticalFlow
from daflow_jax.tasks.restoration import Restoration

TASKS = {"optical_flow": OpticalFlow, "restoration": Restoration}

__all__ = ["TASKS", "LossOut", "OpticalFlow", "Restoration", "Task"]
