"""Measures of flow and pictures; each gives a total and a weight, so parts merge exactly."""

from daflow_jax.metrics.flow import (
    SPEED_BINS,
    angular_error,
    epe,
    epe_by_speed,
    fl_all,
    outliers,
    wauc,
)
from daflow_jax.metrics.image import psnr, ssim
from daflow_jax.metrics.mean import Mean
from daflow_jax.metrics.sparsification import Sparsification, sparsify

__all__ = [
    "SPEED_BINS",
    "Mean",
    "Sparsification",
    "angular_error",
    "epe",
    "epe_by_speed",
    "fl_all",
    "outliers",
    "psnr",
    "sparsify",
    "ssim",
    "wauc",
]
