"""What can be compared on pairs: models, functions, baselines, stored predictions."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import errors
from daflow_jax.evaluate import baselines
from daflow_jax.evaluate.timing import Timed, listed, unique

Function = Callable[[np.ndarray], np.ndarray]  # frames (2, h, w, 3) to flow (h, w, 2), pixels


class Estimate(NamedTuple):
    """flow: (h, w, 2) pixels. uncertainty: (h, w), higher is less sure, or None."""

    flow: np.ndarray
    uncertainty: np.ndarray | None = None


class Method(Timed):
    """Estimates flow and keeps the time of it.

    Args:
        record: what identifies it in results: name, sha256, iterations and so on.
        estimate: (first, second, pair, neighbour) -> Estimate.
        programs: of a model: time of compiling and memory.
        window: frames that it wants to see.
        looks: whether the frames have any influence; stored predictions ignore them.
    """

    def __init__(
        self,
        record: dict[str, Any],
        estimate: Callable[[np.ndarray, np.ndarray, Any, Any], Estimate],
        programs: Any = None,
        window: int = 2,
        looks: bool = True,
    ):
        super().__init__(record, programs)
        self._estimate, self.window, self.looks = estimate, window, looks

    def __call__(
        self, first: np.ndarray, second: np.ndarray, pair: Any = None, neighbour: Any = None
    ) -> np.ndarray:
        """Returns the flow (h, w, 2) from `first` to `second`, uint8 or uint16 (h, w, 3).

        The arguments are those of `estimate`.
        """
        return self.estimate(first, second, pair, neighbour).flow

    def estimate(
        self, first: np.ndarray, second: np.ndarray, pair: Any = None, neighbour: Any = None
    ) -> Estimate:
        """Returns the flow from `first` to `second`, and how unsure the method is of it.

        `neighbour` (`pairs_folder.Neighbour` or None) is the third frame of models that want three;
        they see their last frame twice without it.
        """
        return self.timed(self._estimate, first, second, pair, neighbour)


def of_model(model: Any, **options: Any) -> Method:
    """Returns the method that runs a loaded flow network, a `predict.FlowModel`.

    Args:
        options: of its call, such as `iters`; None and what is missing are the model's own.
    """
    chosen = {name: value for name, value in options.items() if value is not None}
    record = {
        "name": model.name,
        "sha256": model.meta.get("sha256"),
        "params": model.num_parameters,
        **_call_options(),
        **options,
        "iters": chosen.get("iters", model.iters),
        "scales": list(model.scales),
        "precision": model.precision,
        "seed": model.seed,
    }

    def run(frames, place):
        if not model.config.uncertainty:
            return Estimate(model(frames, **chosen)[place])
        found = model(frames, uncertainty=True, **chosen)
        return Estimate(found.flow[place], found.uncertainty[place])

    def estimate(first, second, pair, neighbour):
        if neighbour is None or model.config.frames < 3:
            return run(np.stack([first, second]), 0)
        if neighbour.before:
            return run(np.stack([neighbour.frame, first, second]), 1)
        return run(np.stack([first, second, neighbour.frame]), 0)

    return Method(record, estimate, model.programs, model.config.frames)


def _call_options() -> dict[str, None]:
    """Returns every option that a flow network may be called with: null where it has none."""
    from daflow_jax import models

    options = (option for entry in models.entries("flow") for option in entry.call_options)
    return {option.name: None for option in options}


def of_restored(restorer: Any, model: Any, **options: Any) -> Method:
    """Returns the method that restores the frames before a flow network sees them."""
    plain = of_model(model, **options)
    record = {**plain.record, "restored_by": restorer.meta.get("sha256")}

    def estimate(first, second, pair, neighbour):
        frames, place = [first, second], 0
        if neighbour is not None:
            place = int(neighbour.before)
            frames = [neighbour.frame, *frames] if place else [*frames, neighbour.frame]
        restored = restorer(np.stack(frames))
        return plain.estimate(restored[place], restored[place + 1], pair)

    return Method(record, estimate, model.programs, window=restorer.config.frames)


def of_function(function: Function, name: str) -> Method:
    """Returns the method that calls a function of uint8 frames (2, h, w, 3)."""

    def estimate(first, second, pair, neighbour):
        frames = np.stack([first, second])
        frames = (frames >> 8).astype(np.uint8) if frames.dtype == np.uint16 else frames
        flow = np.asarray(function(frames), np.float32)
        if flow.shape != (*frames.shape[1:3], 2):
            rule = f"returned {flow.shape} for frames {frames.shape}"
            raise errors.UserError(f"method {name}", rule, "Return flow (h, w, 2)")
        return Estimate(flow)

    return Method({"name": name}, estimate)


def of_baseline(name: str) -> Method:
    """Returns the method called "zero", "dis" or "farneback"."""
    return of_function(baselines.get(name), name)


def resolve(given: Any) -> list[Method]:
    """Returns the methods of a list, each under a name of its own.

    A method is the name of a baseline ("dis"), the name or folder of a flow network
    ("raft-small"), a loaded one, a function of frames (2, h, w, 3) to flow (h, w, 2), or a
    `Method`. A mapping gives names of one's own.
    """
    if isinstance(given, Mapping):
        found = [_method(each, str(name)).named(str(name)) for name, each in given.items()]
    else:
        found = [_method(each) for each in listed(given, (str, Path, Method))]
    if not found:
        raise errors.UserError("methods", "none is given", 'Name some: "dis", "zero"')
    return unique(found)


def _method(given: Any, name: str = "") -> Method:
    if isinstance(given, Method):
        return given
    if isinstance(given, str) and given in baselines.BASELINES:
        return of_baseline(given)
    from daflow_jax import api

    if isinstance(given, str | Path):
        return of_model(api.load(given, "flow"))
    if isinstance(given, api.FlowModel):
        return of_model(given)
    if not callable(given):
        remedy = "Pass a name, a model or a function"
        raise errors.UserError(f"method {given!r}", "is not one", remedy)
    function: Any = given
    return of_function(function, name or getattr(given, "__name__", type(given).__name__))
