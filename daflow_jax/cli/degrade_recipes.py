"""Which recipe each input of `daflow degrade` gets: drawn from its name and the seed, or stored."""

import argparse
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax import errors
from daflow_jax.cli import console

NAME = "recipe.json"
_FRAMES = 300  # [choice] frames that parameters are drawn for at most; longer clips repeat them


class Recipes:
    """The recipes of a run, and recipe.json, which keeps those of earlier runs into the folder.

    A recipe.json in --out that is none is a `UserError`.
    """

    def __init__(self, args: argparse.Namespace):
        self._args, self._stored = args, None
        if args.recipe.endswith(".json"):
            from daflow_jax.io import json_file

            self._stored = json_file.read(args.recipe, "Use the recipe.json of a run")
        self.recipe("")  # refuses an unknown name or severity before any work
        self.path = Path(args.out) / NAME
        self._earlier = self._read()
        self.done: dict[str, Any] = {}
        self.failures: list[dict] = []
        self.partly = False  # a sequence ended early and stays

    def _read(self) -> dict[str, Any]:
        from daflow_jax.io import json_file

        if not self.path.exists():
            return {}
        fields = json_file.read_object(self.path, "Move it away or choose another --out")
        return fields.object("sequences").values

    def head(self) -> dict[str, Any]:
        """Returns what recipe.json says about the whole run."""
        args = self._args
        return {
            "schema": 1,
            "recipe": args.recipe,
            "level": severity(args),
            "mode": _mode(args),
            "seed": args.seed,
        }

    def recipe(self, name: str, frames: int | None = None) -> Any:
        """Returns the recipe of the sequence `name`; parameters repeat after `frames`."""
        from daflow_jax.degrade import pipeline

        if self._stored is not None:
            return self._replay(name)
        rng = np.random.default_rng([self._args.seed, zlib.crc32(name.encode())])
        name, strength = self._args.recipe, severity(self._args)
        frames = min(frames or _FRAMES, _FRAMES)
        return pipeline.named(name, strength, rng, frames, _mode(self._args))

    def check(self, name: str) -> None:
        """Raises UserError if a stored recipe has none of the sequence `name`."""
        if self._stored is not None:
            self._replay(name)

    def _replay(self, name: str) -> Any:
        from daflow_jax.degrade import pipeline

        stored = self._stored
        if isinstance(stored, dict) and "sequences" in stored:
            sequences = stored["sequences"]
            if not isinstance(sequences, dict) or not sequences:
                rule = "has no recipes of sequences"
                raise errors.UserError(self._args.recipe, rule, "Use the recipe.json of a run")
            if name and name not in sequences:
                known = errors.nearest(name, sequences)
                raise errors.UserError(self._args.recipe, f"has no recipe for {name}", known)
            stored = sequences[name] if name else next(iter(sequences.values()))
        try:
            return pipeline.Recipe.from_json(json.dumps(stored))
        except errors.UserError as error:
            where = f"{self._args.recipe}: {error.where}"
            raise errors.UserError(where, error.rule, error.remedy, error.code) from None

    def add(self, name: str, recipe: Any, error: errors.UserError | None = None) -> None:
        """Keeps the recipe by which a sequence was made, and what ended it early."""
        self.done[name] = json.loads(recipe.to_json())
        if error is not None:
            self.partly = True
            rule = f"{error.rule.rstrip('.')}; the other frames were written"
            self.fail(name, errors.UserError(error.where, rule, error.remedy))
        self.save()

    def keep(self, name: str) -> None:
        """Keeps what an earlier run wrote of a sequence, if anything."""
        if name in self._earlier:
            self.done[name] = self._earlier[name]

    def fail(self, name: str, error: errors.UserError) -> None:
        """Notes and says why a sequence failed."""
        self.failures.append({"input": name, "error": str(error)})
        console.error(str(error))

    def own(self) -> dict[str, Any]:
        """Returns what this run did."""
        return {**self.head(), "sequences": self.done, "failures": self.failures}

    def save(self) -> None:
        """Writes recipe.json, if this run made anything."""
        from daflow_jax.io import atomic

        if self.done:
            merged = {**self._earlier, **self.done}
            atomic.write_text(self.path, json.dumps({**self.own(), "sequences": merged}, indent=1))


def severity(args: argparse.Namespace) -> float | int:
    """Returns the severity; 0 is the whole range of a published pipeline."""
    from daflow_jax.degrade import published

    if args.severity is not None:
        return args.severity
    return 0 if args.recipe in published.PIPELINES else 3


def _mode(args: argparse.Namespace) -> str | None:
    return {True: "clip", False: "frame", None: None}[args.consistent_in_time]
