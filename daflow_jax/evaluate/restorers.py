"""What can be compared on degraded clips: restorers, functions, and the clips as they are."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax import errors
from daflow_jax.evaluate.timing import Timed, listed, unique

Function = Callable[[np.ndarray], np.ndarray]


class Restorer(Timed):
    """Restores clips and keeps the time of it.

    Args:
        record: what identifies it in results.
        function: uint8 frames (t, h, w, 3) to frames of the same size, uint8 or float in [0, 1].
        programs: of a model: time of compiling and memory.
        model, options: the loaded restorer, and the options of its calls, where it is one.
    """

    def __init__(
        self,
        record: dict[str, Any],
        function: Function,
        programs: Any = None,
        model: Any = None,
        options: Mapping[str, Any] | None = None,
    ):
        super().__init__(record, programs)
        self._function = function
        self.model, self.options = model, dict(options or {})

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Returns restored frames as they would be written, uint8 (t, h, w, 3)."""
        found = np.asarray(self.timed(self._function, frames))
        if found.dtype == np.uint8:
            return found
        if not np.issubdtype(found.dtype, np.floating):
            rule = f"returned {found.dtype}"
            raise errors.UserError(f"method {self.name}", rule, "Return uint8, or float in [0, 1]")
        return np.rint(255 * np.clip(found, 0, 1)).astype(np.uint8)


DEGRADED = Restorer({"name": "degraded"}, lambda frames: frames)


def of_model(model: Any, **options: Any) -> Restorer:
    """Returns the method that runs a loaded restorer, a `predict.RestorationModel`.

    Args:
        options: of its call, such as `steps`; None and what is missing are the model's own.
    """
    chosen = {name: value for name, value in options.items() if value is not None}
    plain = {k: v for k, v in chosen.items() if isinstance(v, str | int | float)}  # no arrays
    record = {
        "name": model.name,
        "sha256": model.meta.get("sha256"),
        "params": model.num_parameters,
        **model.defaults,
        **plain,
        "precision": model.precision,
        "seed": model.seed,
    }
    function = lambda frames: model(frames, **chosen)  # noqa: E731
    return Restorer(record, function, model.programs, model, chosen)


def resolve(given: Any) -> list[Restorer]:
    """Returns the methods of a list, each under a name of its own.

    A method is the name or folder of a restorer, or of a model that holds one, a loaded one, a
    function of uint8 frames (t, h, w, 3), or a `Restorer`. A mapping gives names of one's own.
    """
    if isinstance(given, Mapping):
        return unique([_restorer(each, str(n)).named(str(n)) for n, each in given.items()])
    return unique([_restorer(each) for each in listed(given, (str, Path, Restorer))])


def _restorer(given: Any, name: str = "") -> Restorer:
    if isinstance(given, Restorer):
        return given
    from daflow_jax import api

    if isinstance(given, str | Path):
        return of_model(api.load(given, "restoration"))
    if isinstance(given, api.RestorationModel):
        return of_model(given)
    if not callable(given):
        remedy = "Pass a name, a model or a function"
        raise errors.UserError(f"method {given!r}", "is not one", remedy)
    function: Any = given
    return Restorer({"name": name or getattr(given, "__name__", type(given).__name__)}, function)
