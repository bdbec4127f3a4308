"""What bad video does to clean frames: numpy operators for the host, a jax form for accelerators.

The package itself can be called: `daflow_jax.degrade(frames, recipe="h264", level=3, seed=0)`.
"""

import sys
import types

import numpy as np


class _Degrade(types.ModuleType):
    """A package and the public function of the same name in one."""

    def __call__(
        self, frames: np.ndarray, recipe: str = "h264", level: int | float = 3, seed: int = 0
    ) -> np.ndarray:
        """Returns uint8 frames (f, h, w, 3) made worse by a named recipe at level 1 to 5.

        Level 0 draws a published pipeline from its whole ranges (`pipeline.named`).
        """
        from daflow_jax.degrade import pipeline

        chain = pipeline.named(recipe, level, np.random.default_rng(seed))
        return pipeline.apply(chain, np.asarray(frames))


sys.modules[__name__].__class__ = _Degrade
