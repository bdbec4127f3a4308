"""What can be compared on pairs: models, baselines without weights, stored predictions."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax import errors


class Method:
    """Estimates flow and keeps the time of it.

    Args:
        record: what identifies it in results: name, sha256, iterations and so on.
        estimate: (first, second, pair, neighbour) -> flow (h, w, 2).
        window: frames that it wants to see.
        looks: whether the frames have any influence; stored predictions ignore them.
    """

    def __init__(
        self,
        record: dict[str, Any],
        estimate: Callable[[np.ndarray, np.ndarray, Any, Any], np.ndarray],
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
        """Returns the flow from `first` to `second`, uint8 or uint16 (h, w, 3).

        `neighbour` (`io.pairs.Neighbour` or None) is the third frame of models that want three;
        they see their last frame twice without it.
        """
        begun, compiled = time.perf_counter(), self._compiled()
        flow = self._estimate(first, second, pair, neighbour)
        self.seconds.append(time.perf_counter() - begun - (self._compiled() - compiled))
        return flow

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
        "precision": model.precision,
        "seed": model.seed,
    }

    def estimate(first, second, pair, neighbour):
        if neighbour is None or model.config.frames < 3:
            return model((first, second), **settings)
        if neighbour.before:
            return model(np.stack([neighbour.frame, first, second]), **settings)[1]
        return model(np.stack([first, second, neighbour.frame]), **settings)[0]

    return Method(record, estimate, model.runner, model.config.frames)


def of_baseline(name: str) -> Method:
    """Returns the method called "zero", "dis" or "farneback"."""
    from daflow_jax import baselines

    function = baselines.get(name)

    def estimate(first, second, pair, neighbour):
        return function(_uint8(first, second))

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
                return stored
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
