"""The degraded frames that every method of an evaluation sees alike."""

import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import errors


class Degradation(NamedTuple):
    """A named recipe at a severity from 1 to 5; "clean" has severity 0."""

    recipe: str
    severity: float

    def __str__(self) -> str:
        return self.recipe if self.recipe == "clean" else f"{self.recipe}:{self.severity:g}"

    def apply(self, frames: np.ndarray, seed: int, flow: np.ndarray | None = None) -> np.ndarray:
        """Returns frames (f, h, w, 3) as the method sees them; uint8 unless clean.

        `flow` (h, w, 2) is the true motion of the first frame, in pixels. Recipes that blur along
        the motion use it for all frames.
        """
        if self.recipe == "clean":
            return frames
        from daflow_jax.degrade import pipeline

        if frames.dtype == np.uint16:
            frames = (frames >> 8).astype(np.uint8)
        recipe = pipeline.named(self.recipe, self.severity, np.random.default_rng(seed))
        motion = None if flow is None else np.stack([flow] * (len(frames) - 1))
        return pipeline.apply(recipe, frames, flow=motion)

    def third(
        self, pair: np.ndarray, frame: np.ndarray, seed: int, flow: np.ndarray | None = None
    ) -> np.ndarray:
        """Returns a neighbour (h, w, 3) of the frames `pair` (2, h, w, 3), degraded as they are.

        The recipe sees it after the pair, even where it comes before it in truth. So the pair has
        the same pixels whether or not a method asks for a third frame.
        """
        return self.apply(np.concatenate([pair, frame[None]]), seed, flow)[2]


CLEAN = Degradation("clean", 0.0)


def parse(text: str) -> Degradation:
    """Returns the degradation of "clean", "h264:3" or "h264" (severity 3).

    Raises UserError for an unknown recipe and for a severity outside of 1 to 5.
    """
    from daflow_jax.degrade import pipeline

    name, _, severity = text.strip().partition(":")
    if name == "clean":
        return CLEAN
    try:
        found = Degradation(name, float(severity or 3))
    except ValueError:
        rule = f"{severity!r} is not a severity"
        raise errors.UserError(f"degradation {text}", rule, "Write NAME:SEVERITY, 1..5") from None
    try:
        pipeline.named(*found, np.random.default_rng(0))
    except errors.UserError as error:
        raise errors.UserError(f"degradation {text}", error.rule, error.remedy) from None
    return found


def resolve(given: Iterable[str | Degradation]) -> list[Degradation]:
    """Returns the degradations of a list of names or of a text "clean,h264:3", each once."""
    words = given.split(",") if isinstance(given, str) else given
    found = [parse(word) if isinstance(word, str) else word for word in words if word]
    if not found:
        raise errors.UserError("degradations", "none is given", 'Name some: "clean", "h264:3"')
    return list(dict.fromkeys(found))


def seed_of(item: Any, seed: int) -> int:
    """Returns the seed of a pair's or a clip's degradation: of its name, not of its place."""
    return zlib.crc32(f"{item.name}/{seed}".encode())
