"""The number formats of a run: what is stored, what is multiplied, what comes out."""

from daflow_jax.precision.policy import FIELDS, FORMATS, PRESETS, Bound, Precision, islands, parse

__all__ = ["FIELDS", "FORMATS", "PRESETS", "Bound", "Precision", "islands", "parse"]
