"""What can be compared on pairs: models, baselines without weights, stored predictions."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import errors


class Estimate(NamedTuple):
    """flow: (h, w, 2) pixels. uncertainty: (h, w), higher is less sure, or None."""

    flow: np.ndarray
    uncertainty: np.ndarray | None = None


class Method:
    """Estimates flow and keeps the time of it.

    Args:
        record: what identifies it in results: name, sha256, iterations and so on.
        estimate: (first, second, pair, neighbour) -> Estimate.
        window: frames that it wants to see.
        looks: whether the frames have any influence; stored predictions ignore them.
    """

    def __init__(
        self,
        record: dict[str, Any],
        estimate: Callable[[np.ndarray, np.ndarray, Any, Any], Estimate],
        runner: Any = None,
        window: int = 2,
        looks: bool = True,
    ):
        self.record, self._estimate, self._runner = record, estimate, runner
        self.window, self.looks = window, looks
        self.name = record["name"]
        self.seconds: list[float] = []

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

        `neighbour` (`io.pairs.Neighbour` or None) is the third frame of models that want three;
        they see their last frame twice without it.
        """
        begun, compiled = time.perf_counter(), self._compiled()
        found = self._estimate(first, second, pair, neighbour)
        self.seconds.append(time.perf_counter() - begun - (self._compiled() - compiled))
        return found

    def _compiled(self):
        return self._runner.compile_seconds if self._runner else 0.0

    def speed(self) -> dict[str, Any]:
        """Returns pairs per second without compiling, compile time and memory of the programs."""
        total = sum(self.seconds)
        return {
            "pairs_per_s": round(len(self.seconds) / total, 3) if total else None,
            "first_call_s": round(self.seconds[0] + self._compiled(), 3) if self.seconds else None,
            "peak_memory_bytes": self._runner.peak_bytes if self._runner else None,
        }


def of_model(model: Any, iters: int | None, denoise_steps: int | None, tap_step: Any) -> Method:
    """Returns the method that runs a loaded model."""
    settings = {"iters": iters, "denoise_steps": denoise_steps, "tap_step": tap_step}
    record = {
        "name": model.name,
        "sha256": model.meta.get("sha256"),
        "params": model.num_parameters,
        **settings,
        "iters": iters or model.iters,
        "scales": list(model.scales),
        "precision": model.precision,
        "seed": model.seed,
    }

    def run(frames, place):
        if not model.config.uncertainty:
            return Estimate(model(frames, **settings)[place])
        found = model(frames, uncertainty=True, **settings)
        return Estimate(found.flow[place], found.uncertainty[place])

    def estimate(first, second, pair, neighbour):
        if neighbour is None or model.config.frames < 3:
            return run(np.stack([first, second]), 0)
        if neighbour.before:
            return run(np.stack([neighbour.frame, first, second]), 1)
        return run(np.stack([first, second, neighbour.frame]), 0)

    return Method(record, estimate, model.runner, model.config.frames)


def of_restored(restorer: Any, model: Any, iters: int | None) -> Method:
    """Returns the method that restores the frames first (`api.load_restorer`), then runs a model
    without a backbone of its own on the result."""
    plain = of_model(model, iters, None, None)
    record = {**plain.record, "restored_by": restorer.meta.get("sha256")}

    def estimate(first, second, pair, neighbour):
        frames, place = [first, second], 0
        if neighbour is not None:
            place = int(neighbour.before)
            frames = [neighbour.frame, *frames] if place else [*frames, neighbour.frame]
        restored = restorer(np.stack(frames))
        return plain.estimate(restored[place], restored[place + 1], pair)

    return Method(record, estimate, model.runner, window=restorer.window)


def of_baseline(name: str) -> Method:
    """Returns the method called "zero", "dis" or "farneback"."""
    from daflow_jax.evaluate import baselines

    function = baselines.get(name)

    def estimate(first, second, pair, neighbour):
        return Estimate(function(_uint8(first, second)))

    return Method({"name": name}, estimate)


def _uint8(first, second):
    frames = np.stack([first, second])
    return (frames >> 8).astype(np.uint8) if frames.dtype == np.uint16 else frames


def of_predictions(folder: str) -> Method:
    """Returns the method that reads stored flow: NAME.flo, or NAME/frame1.flo as of `flow`."""
    from daflow_jax.io import flow

    if not Path(folder).is_dir():
        raise errors.UserError(folder, "is no folder", "Give the folder of stored predictions")

    def read(first, second, pair, neighbour):
        for file in _candidates(Path(folder), pair, flow.EXTENSIONS):
            if file.is_file():
                stored, valid = flow.read_flow(file)
                if stored.shape[:2] != first.shape[:2]:
                    size = f"{stored.shape[1]}x{stored.shape[0]}"
                    rule = f"{size}, but the frames are {first.shape[1]}x{first.shape[0]}"
                    raise errors.UserError(file, rule, "Predict at the size of the frames")
                if not valid.all():
                    rule = f"{int((~valid).sum())} pixels have no flow"
                    raise errors.UserError(file, rule, "Predict every pixel")
                return Estimate(stored)
        raise errors.UserError(
            Path(folder) / f"{pair.name}.flo",
            "not found",
            "Predictions are NAME.flo or NAME/frame1.flo",
        )

    return Method({"name": f"predictions:{Path(folder).name}"}, read, looks=False)


def _candidates(folder, pair, extensions):
    """Yields where the stored flow of a pair may be; `flow` puts the root's own name in front."""
    depth = len(Path(pair.name).parts)
    root = pair.folder.absolute().parents[depth - 1].name
    for base in (folder, folder / root):
        for extension in extensions:
            yield base / f"{pair.name}{extension}"
            yield base / pair.name / f"frame1{extension}"
