"""From a configuration, plain values, to a checked experiment."""

from daflow_jax.experiment.build import build
from daflow_jax.experiment.networks import build_model
from daflow_jax.experiment.sections import SETTINGS

__all__ = ["SETTINGS", "build", "build_model"]
