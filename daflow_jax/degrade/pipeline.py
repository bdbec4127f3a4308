"""A degradation as data: printed, stored as JSON, and replayed to the same bytes."""

import dataclasses
import inspect
import json
from typing import Any

import numpy as np

from daflow_jax.degrade import chains, corruptions, lens, operators, published, recipes, tone
from daflow_jax.errors import UserError, nearest


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Operators with their parameters: one chain for the whole clip, or one per frame (repeated).

    `seed` fixes the noise. A step is (operator, parameters); see `operators.OPERATORS`. A parameter
    that is a list has one value per frame; longer clips read it to and fro, so that nothing jumps.
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
                inspect.signature(operators.OPERATORS[name].function).bind(None, None, **params)
            except TypeError as error:
                raise UserError(
                    f"recipe step {name}", str(error), "Correct its parameters"
                ) from None
            lists = [key for key, value in params.items() if isinstance(value, list)]
            if any(operators.OPERATORS[name].whole_clip or not params[key] for key in lists):
                rule = f"{lists[0]} is a list; this operator takes one value for the clip"
                rule = rule if params[lists[0]] else f"{lists[0]} is an empty list"
                raise UserError(f"recipe step {name}", rule, "Give one value")

    def to_json(self) -> str:
        """Returns the recipe as JSON text."""
        listed = [[{"op": name, **params} for name, params in chain] for chain in self.chains]
        return json.dumps({"version": 1, "seed": self.seed, "chains": listed}, indent=1)

    @property
    def needs_flow(self) -> bool:
        """Whether the clip's true flow must be given to `apply`."""
        return any(operators.OPERATORS[name].needs_flow for c in self.chains for name, _ in c)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Returns the recipe that `to_json` wrote; UserError if the text is none."""
        try:
            data = json.loads(text)
            read = tuple(
                tuple((step["op"], {k: v for k, v in step.items() if k != "op"}) for step in chain)
                for chain in data["chains"]
            )
            return cls(read, int(data["seed"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                "recipe", f"not a recipe ({error})", "Write one with Recipe.to_json"
            ) from None


def apply(
    recipe: Recipe, frames: np.ndarray, start: int = 0, flow: np.ndarray | None = None
) -> np.ndarray:
    """Returns the degraded frames, uint8 like the given (f, h, w, 3); same input, same bytes.

    `start` is the number of the first frame, so that a long video can be done in pieces (the noise
    goes on, a codec starts anew). With several chains, frame i takes chain i modulo their number.
    `flow` (f - 1, h, w, 2), true motion in pixels, is read by recipes that blur along it.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise ValueError(f"frames are {frames.dtype}{frames.shape}; the rule is uint8 (f, h, w, 3)")
    flows = _flows(recipe, frames, flow)
    if len(recipe.chains) == 1:
        return _run(recipe.chains[0], recipe.seed, frames, start, flows)
    count = len(recipe.chains)
    done = [
        _run(recipe.chains[n % count], recipe.seed, frames[i : i + 1], n, flows[i : i + 1])
        for i, n in enumerate(range(start, start + len(frames)))
    ]
    return np.concatenate(done)


def _flows(recipe: Recipe, frames: np.ndarray, flow: np.ndarray | None) -> list:
    """Returns each frame's motion to the next; the last one's is what the flow carried there."""
    if not recipe.needs_flow:
        return [None] * len(frames)
    shape = (len(frames) - 1, *frames.shape[1:3], 2)
    if flow is None or not len(flow):
        rule = "blurs along the true motion, which is not known here"
        raise UserError("recipe", rule, "Take a pairs folder with flow, or motion_blur")
    if flow.shape != shape:
        raise ValueError(f"flow is {flow.shape}; the rule for these frames is {shape}")
    known = np.nan_to_num(flow.astype(np.float32), posinf=0, neginf=0)
    return [*known, lens.carry(known[-1])]


def _run(
    chain: tuple[recipes.Step, ...], seed: int, frames: np.ndarray, start: int, flows: list
) -> np.ndarray:
    size = frames.shape[1:3]
    images = [frame.astype(np.float32) for frame in frames]
    for place, (name, params) in enumerate(chain):
        operator = operators.OPERATORS[name]
        scenes = [
            operators.Scene(
                size=size,
                rng=_generator(seed, 1000 * (start + i) + place),
                still=_generator(seed, 2**63 + place),
                flow=flow,
            )
            for i, flow in enumerate(flows)
        ]
        if operator.whole_clip:
            images = operator.function(images, scenes[0], **params)
        else:
            images = [
                operator.function(image, scene, **_at(params, start + i))
                for i, (image, scene) in enumerate(zip(images, scenes, strict=True))
            ]
    if images[0].shape[:2] != size:
        raise UserError(
            "recipe",
            f"ends at {images[0].shape[:2]}, started at {size}",
            'End the chain with ("back", {"mode": "bicubic"})',
        )
    return np.stack([tone.to_uint8(image) for image in images])


def _generator(seed: int, word: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed % 2**64, word]))


def _at(params: Any, frame: int) -> dict[str, Any]:
    """Returns the parameters of one frame."""
    return {k: v[_fold(frame, len(v))] if isinstance(v, list) else v for k, v in params.items()}


def _fold(number: int, count: int) -> int:
    """Returns the place of a frame in a list that is read to and fro."""
    turn = number % max(2 * count - 2, 1)
    return min(turn, 2 * count - 2 - turn)


def known() -> tuple[str, ...]:
    """Returns the names of all recipes."""
    return (*published.PIPELINES, *recipes.NAMES, *corruptions.NAMES)


def named(
    name: str,
    severity: float | int,
    rng: np.random.Generator,
    frames: int = 32,
    mode: str | None = None,
) -> Recipe:
    """Returns the recipe `name` at `severity` 1..5, mild to severe.

    Published pipelines (`published.PIPELINES`) are drawn from their whole ranges at severity 0, and
    from the part of them that matches the similarity of the corruptions at 1 to 5.
    `corruptions.NAMES` are single corruptions of equal similarity at equal severity; those of
    `recipes.NAMES` have scales of their own. `mode` "clip" or "frame" (else the recipe's own)
    says whether parameters are drawn once per
    clip or for each of `frames` frames; it matters for the random recipes, "mixed" and the
    published, while the others differ from frame to frame in their noise only. The former names
    of `recipes.ALIASES` are read as well.
    """
    name = recipes.ALIASES.get(name, name)
    if name not in known():
        raise UserError("recipe", f"unknown recipe {name!r}", nearest(name, known()))
    least = 0 if name in published.PIPELINES else 1
    if severity and not 1 <= severity <= 5 or severity < least:
        raise UserError("severity", f"{severity} is not in 1..5", "1 is mild, 5 severe")
    if mode not in (None, "clip", "frame"):
        raise UserError("mode", f"{mode!r}", 'The modes are "clip" and "frame"')
    if name == "mixed":
        return sample_recipe(rng, mode or "clip", (severity, severity), frames)
    if name in published.PIPELINES:
        ranges = published.get(name)
        if severity:
            ranges = published.graded(ranges, corruptions.strength(name, severity))
        made = chains.sample(ranges, rng, frames, mode or ranges.mode)
    elif name in corruptions.NAMES:
        made = (corruptions.steps(name, severity, rng),)
    else:
        made = (recipes.fixed(name, float(severity)),)
    return Recipe(made, int(rng.integers(2**31)))


def sample_recipe(
    rng: np.random.Generator,
    mode: str = "clip",
    severity: tuple[float | int, float | int] = (0.0, 5.5),
    frames: int = 1,
    codec_share: float | int = 0.2,
) -> Recipe:
    """Returns a random recipe of the training mixture.

    `mode` "clip": parameters drawn once, noise new in each frame; "frame": a chain for each of
    `frames` frames, where a codec compresses single pictures. `severity` is a range on the
    scale of the recipe "combined"; `codec_share` of the recipes end in video compression (host
    only).
    """
    if mode not in ("clip", "frame"):
        raise UserError("degrade.mode", f"{mode!r}", 'The modes are "clip" and "frame"')
    drawn = tuple(
        recipes.sample(rng, severity, codec_share) for _ in range(1 if mode == "clip" else frames)
    )
    return Recipe(drawn, int(rng.integers(2**31)))
