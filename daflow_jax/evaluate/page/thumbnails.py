"""Pictures as data URIs, as large as the page can carry."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np

from daflow_jax import viz
from daflow_jax.evaluate.page.content import Example
from daflow_jax.io import image

Uris = dict[tuple[str, str], str]  # by (what, method), as `Example.pictures`

BUDGET = 2_400_000  # [choice] characters of all pictures: a page is under 3 MB
_SIZES = ((512, 82), (400, 78), (300, 70), (200, 55), (120, 40))  # [choice] longer side, quality


def encode(examples: Sequence[Example], budget: int = BUDGET) -> list[Uris]:
    """Returns the pictures of each example, in the best size that the budget has room for.

    Examples at the end lose their pictures where the smallest size is too large.
    """
    found: list[Uris] = []
    for size, quality in _SIZES:
        found = [
            {key: uri(picture, size, quality) for key, picture in example.pictures.items()}
            for example in examples
        ]
        if sum(map(_length, found)) <= budget:
            return found
    kept, total = [], 0
    for pictures in found:
        total += _length(pictures)
        kept.append(pictures if total <= budget else {})
    return kept


def _length(pictures: Uris) -> int:
    return sum(map(len, pictures.values()))


def uri(picture: np.ndarray, size: int, quality: int) -> str:
    """Returns a picture (h, w, 3) uint8 as WebP, made smaller to `size` on its longer side."""
    height, width = picture.shape[:2]
    share = size / max(height, width)
    if share < 1:
        smaller = (max(round(width * share), 1), max(round(height * share), 1))
        picture = cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA)
    data = base64.b64encode(image.encode(np.ascontiguousarray(picture), ".webp", quality))
    return f"data:image/webp;base64,{data.decode()}"


def wheel(size: int = 96) -> str:
    """Returns the legend of flow colours: the colour at each place is that of motion to there."""
    place = (np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1
    flow = np.stack(np.meshgrid(place, place), axis=-1)
    picture = viz.flow_to_rgb(flow, 1.0)
    outside = np.linalg.norm(flow, axis=-1) > 1
    alpha = np.where(outside, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".png", np.dstack([picture[..., ::-1], alpha]))
    return f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode()}"
