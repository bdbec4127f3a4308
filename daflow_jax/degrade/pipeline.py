"""A degradation as data: printed, stored as JSON, and replayed to the same bytes."""

import dataclasses
import inspect
import json

import numpy as np

from daflow_jax.degrade import operators, recipes
from daflow_jax.errors import UserError, nearest


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Operators with their parameters: one chain for the whole clip, or one per frame (repeated).

    `seed` fixes the noise. A step is (operator, parameters); see `operators.OPERATORS`.
    """

    chains: tuple[tuple[recipes.Step, ...], ...]
    seed: int = 0

    def __post_init__(self):
        if not self.chains:
            raise UserError("recipe", "no chain", "An empty chain () leaves the frames as they are")
        for name, params in (step for chain in self.chains for step in chain):
            if name not in operators.OPERATORS:
                raise UserError(
                    "recipe", f"unknown operator {name!r}", nearest(name, operators.OPERATORS)
                )
            try:
                inspect.signature(operators.OPERATORS[name]).bind([], (), [], **params)
            except TypeError as error:
                raise UserError(
                    f"recipe step {name}", str(error), "Correct its parameters"
                ) from None

    def to_json(self) -> str:
        """Returns the recipe as JSON text."""
        chains = [[{"op": name, **params} for name, params in chain] for chain in self.chains]
        return json.dumps({"version": 1, "seed": self.seed, "chains": chains}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Returns the recipe that `to_json` wrote; UserError if the text is none."""
        try:
            data = json.loads(text)
            chains = tuple(
                tuple((step["op"], {k: v for k, v in step.items() if k != "op"}) for step in chain)
                for chain in data["chains"]
            )
            return cls(chains, int(data["seed"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                "recipe", f"not a recipe ({error})", "Write one with Recipe.to_json"
            ) from None


def apply(recipe: Recipe, frames: np.ndarray, start: int = 0) -> np.ndarray:
    """Returns the degraded frames, uint8 like the given (f, h, w, 3); same input, same bytes.

    `start` is the number of the first frame, so that a long video can be done in pieces (the noise
    goes on, a codec starts anew). With several chains, frame i takes chain i modulo their number.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise ValueError(f"frames are {frames.dtype}{frames.shape}; the rule is uint8 (f, h, w, 3)")
    if len(recipe.chains) == 1:
        return _run(recipe.chains[0], recipe.seed, frames, start)
    count = len(recipe.chains)
    done = [
        _run(recipe.chains[(start + i) % count], recipe.seed, frames[i : i + 1], start + i)
        for i in range(len(frames))
    ]
    return np.concatenate(done)


def _run(chain: tuple[recipes.Step, ...], seed: int, frames: np.ndarray, start: int) -> np.ndarray:
    size = frames.shape[1:3]
    images = [frame.astype(np.float32) for frame in frames]
    for place, (name, params) in enumerate(chain):
        numbers = range(start, start + len(images))
        rngs = [
            np.random.Generator(np.random.Philox(key=[seed % 2**64, 1000 * n + place]))
            for n in numbers
        ]
        images = operators.OPERATORS[name](images, size, rngs, **params)
    if images[0].shape[:2] != size:
        raise UserError(
            "recipe",
            f"ends at {images[0].shape[:2]}, started at {size}",
            'End the chain with ("back", {"mode": "bicubic"})',
        )
    return np.stack([operators.to_uint8(image) for image in images])


def named(name: str, level: float | int, rng: np.random.Generator, frames: int = 1) -> Recipe:
    """Returns the recipe `name` (one of `recipes.NAMES`) at `level` 1..5, mild to severe.

    `frames` > 1 draws one chain per frame, which matters for "mixed" alone: it is random, the
    others are fixed and differ from frame to frame in their noise only.
    """
    if name not in recipes.NAMES:
        raise UserError("recipe", f"unknown recipe {name!r}", nearest(name, recipes.NAMES))
    if not 1 <= level <= 5:
        raise UserError("level", f"{level} is not in 1..5", "1 is mild, 5 severe")
    if name == "mixed":
        return sample_recipe(rng, "frame" if frames > 1 else "clip", (level, level), frames)
    return Recipe((recipes.fixed(name, float(level)),), int(rng.integers(2**31)))


def sample_recipe(
    rng: np.random.Generator,
    mode: str = "clip",
    severity: tuple[float | int, float | int] = (0.0, 5.5),
    frames: int = 1,
    codec_share: float | int = 0.2,
) -> Recipe:
    """Returns a random recipe of the training mixture.

    `mode` "clip": parameters drawn once, noise new in each frame; "frame": a chain for each of
    `frames` frames, where a codec compresses single pictures. `severity` is the range of the
    calibration's scale; `codec_share` of the recipes end in video compression (host only).
    """
    if mode not in ("clip", "frame"):
        raise UserError("degrade.mode", f"{mode!r}", 'The modes are "clip" and "frame"')
    chains = tuple(
        recipes.sample(rng, severity, codec_share) for _ in range(1 if mode == "clip" else frames)
    )
    return Recipe(chains, int(rng.integers(2**31)))
