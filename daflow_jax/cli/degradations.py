"""The degraded frames that `daflow eval` and `daflow demo` show to every method alike."""

import zlib
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import errors


class Degradation(NamedTuple):
    """A named recipe at a level; "clean" has level 0."""

    recipe: str
    level: float

    def __str__(self) -> str:
        return self.recipe if self.recipe == "clean" else f"{self.recipe}:{self.level:g}"

    def apply(self, frames: np.ndarray, seed: int, flow: np.ndarray | None = None) -> np.ndarray:
        """Returns frames (f, h, w, 3) as the method sees them; uint8 unless clean.

        `flow` (h, w, 2) is the true motion, of the first frame and taken for that of the others,
        for recipes that blur along it.
        """
        if self.recipe == "clean":
            return frames
        from daflow_jax.degrade import pipeline

        if frames.dtype == np.uint16:
            frames = (frames >> 8).astype(np.uint8)
        recipe = pipeline.named(self.recipe, self.level, np.random.default_rng(seed))
        motion = None if flow is None else np.stack([flow] * (len(frames) - 1))
        return pipeline.apply(recipe, frames, flow=motion)

    def third(
        self, pair: np.ndarray, frame: np.ndarray, seed: int, flow: np.ndarray | None = None
    ) -> np.ndarray:
        """Returns a neighbour (h, w, 3) of the frames `pair` (2, h, w, 3), degraded as they are.

        It follows the pair in the clip that the recipe is applied to, before or after it in truth,
        so that the pair itself has the same pixels whether or not somebody asks for a third frame.
        """
        return self.apply(np.concatenate([pair, frame[None]]), seed, flow)[2]


def parse(text: str, clean: bool = True) -> list[Degradation]:
    """Returns the degradations of "recipe:level,...", clean frames first if wanted."""
    from daflow_jax.degrade import pipeline

    found = [Degradation("clean", 0)] if clean else []
    for part in filter(None, text.split(",")):
        name, _, level = part.strip().partition(":")
        try:
            degradation = Degradation(name, float(level or 3))
        except ValueError:
            rule = f"{level!r} is no level"
            raise errors.UserError(f"--degrade {part}", rule, "Write RECIPE:LEVEL, 1..5") from None
        try:
            pipeline.named(*degradation, np.random.default_rng(0))
        except errors.UserError as error:
            raise errors.UserError(f"--degrade {part}", error.rule, error.remedy) from None
        found.append(degradation)
    if not found:
        raise errors.UserError("--no-clean", "leaves nothing to evaluate", "Add --degrade h264:3")
    return found


def pair_seed(pair: Any, seed: int) -> int:
    """Returns the seed of a pair's degradation: of its name, not of its place in the list."""
    return zlib.crc32(f"{pair.name}/{seed}".encode())
