"""Degradations as in real video: numpy operators for the host, a jax form for accelerators.

The package itself can be called: `daflow_jax.degrade(frames, recipe="h264", severity=3, seed=0)`.
"""

import sys
import types

import numpy as np


class _Degrade(types.ModuleType):
    """A package and the public function of the same name in one."""

    def __call__(
        self, frames: np.ndarray, recipe: str = "h264", severity: int | float = 3, seed: int = 0
    ) -> np.ndarray:
        """Returns uint8 frames (f, h, w, 3) degraded by a named recipe at severity 1 to 5.

        Severity 0 draws a published pipeline from its whole ranges (`pipeline.named`).
        """
        from daflow_jax.degrade import pipeline

        chain = pipeline.named(recipe, severity, np.random.default_rng(seed))
        return pipeline.apply(chain, np.asarray(frames))


sys.modules[__name__].__class__ = _Degrade
