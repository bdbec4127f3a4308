"""Which down-scaling by 4 made frames: BI, BD, or DUF's BD, which is shifted by 1.5 pixels."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from daflow_jax.degrade import blur_down, matlab_resize

FACTOR = blur_down.FACTOR
KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bi": lambda frames: matlab_resize.resize(frames, 1 / FACTOR),
    "bd": blur_down.blur_down,
    "duf": blur_down.duf_down,
}
TITLES = {
    "bi": "MATLAB's bicubic (BI)",
    "bd": "blurred (BD, 12 x 12 Gaussian)",
    "duf": "DUF's blur-down (13 x 13 Gaussian), shifted by 1.5 px against BI and BD",
}


class Found(NamedTuple):
    """kind: a key of KINDS. errors: mean difference to each kind, grey levels of 255."""

    kind: str
    errors: dict[str, float]


def recognise(clean: np.ndarray, small: np.ndarray) -> Found:
    """Returns the down-scaling that comes nearest to `small`.

    Args:
        clean: (h, w, 3) uint8, sides multiples of 4. small: (h / 4, w / 4, 3) uint8.
    """
    made = {name: make(clean / 255.0) for name, make in KINDS.items()}
    errors = {
        name: float(np.abs(np.round(255 * x.clip(0, 1)) - small).mean()) for name, x in made.items()
    }
    return Found(min(errors, key=errors.__getitem__), errors)
