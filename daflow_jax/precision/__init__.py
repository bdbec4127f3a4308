"""The number formats of a run: what is stored, what is multiplied, what comes out."""

from daflow_jax.precision.bound import Bound
from daflow_jax.precision.islands import islands
from daflow_jax.precision.policy import FIELDS, FORMATS, PRESETS, Precision, parse

__all__ = ["FIELDS", "FORMATS", "PRESETS", "Bound", "Precision", "islands", "parse"]
