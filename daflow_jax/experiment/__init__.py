"""From a configuration, plain values, to a checked experiment."""

from daflow_jax.experiment.builder import SETTINGS, SOURCES, build, build_model

__all__ = ["SETTINGS", "SOURCES", "build", "build_model"]
