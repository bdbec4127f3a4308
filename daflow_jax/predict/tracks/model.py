"""The motion of one clip, asked for points."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from daflow_jax import errors
from daflow_jax.models import calls
from daflow_jax.predict.model import Model
from daflow_jax.predict.placement import Placement

_AT_ONCE = 4096  # [choice] points in one call


class Tracks(NamedTuple):
    """Where points of one frame are in every frame of the clip.

    positions: (n, t, 2), (x, y) in pixels. hidden: (n, t), the share of the ray that lies in front
    of the point, 0 in the frame of the query. visible: (n, t), hidden below the model's limit and
    inside of the frame.
    """

    positions: np.ndarray
    hidden: np.ndarray
    visible: np.ndarray


class TrackModel(Model):
    """A network fitted to one clip; ask it with `track`."""

    def __call__(self, points: Any, frame: int, **options: Any) -> Tracks:
        """Returns `track(points, frame)`."""
        return self.track(points, frame, **options)

    def track(self, points: Any, frame: int, **options: Any) -> Tracks:
        """Returns where points are in all frames.

        Args:
            points: (n, 2), (x, y) in pixels of the clip's own frames, 0 = the first pixel's centre.
            frame: number of the frame that they lie in, from 0; negative ones count from the end.
            options: of the network.

        Raises:
            UserError: points outside of the frame, a frame that the clip does not have.
        """
        points, frame = self._points(points), self._frame(frame)
        chosen = self.options(**options)
        found, hidden = [], []
        for target in range(self.config.frames):
            there, score = self._moved(points, frame, target, chosen)
            found.append(points if target == frame else there)
            hidden.append(score * (target != frame))
        positions, score = np.stack(found, 1), np.stack(hidden, 1)
        height, width = self.config.source
        inside = np.all((positions >= -0.5) & (positions < (width - 0.5, height - 0.5)), -1)
        return Tracks(positions, score, inside & (score <= self.config.occluded))

    def _moved(self, points, frame, target, chosen) -> tuple[np.ndarray, np.ndarray]:
        config = self.config
        shape = np.array(config.source)[::-1], np.array((config.width, config.height))
        fitted = (points + 0.5) / shape[0] * shape[1] - 0.5
        found, hidden = [], []
        size = min(_AT_ONCE, len(points))
        for first in range(0, len(points), size):
            part = fitted[first : first + size]
            rows = np.concatenate([part, np.repeat(part[-1:], size - len(part), 0)])
            ids = (jax.numpy.full(1, number, jax.numpy.int32) for number in (frame, target))
            given = rows[None].astype(np.float32), *ids, dict(chosen.arrays)
            what = f"{size} points"
            there, score = self.programs(moved_function, chosen.static, what, *given)
            found.append(np.asarray(there)[0, : len(part)])
            hidden.append(np.asarray(score)[0, : len(part)])
        back = (np.concatenate(found) + 0.5) / shape[1] * shape[0] - 0.5
        return back.astype(np.float32), np.concatenate(hidden)

    def _points(self, points: Any) -> np.ndarray:
        found = np.asarray(points, np.float32)
        if found.ndim != 2 or found.shape[1] != 2 or not len(found):
            rule = f"shape {found.shape} is not (n, 2)"
            raise errors.UserError("points", rule, "Pass a list of (x, y)")
        height, width = self.config.source
        inside = np.all((found >= -0.5) & (found <= (width - 0.5, height - 0.5)), -1)
        if not inside.all():
            x, y = found[~inside][0]
            rule = f"({x:g}, {y:g}) lies outside of the {width}x{height} frames"
            raise errors.UserError("points", rule, "Points are (x, y) in pixels")
        return found

    def _frame(self, frame: int) -> int:
        count = self.config.frames
        if not isinstance(frame, int | np.integer) or not -count <= frame < count:
            rule = f"{frame!r}; the clip has frames 0 to {count - 1}"
            raise errors.UserError("frame", rule, "Use one of them")
        return int(frame) % count


def moved_function(module: Any, place: Placement, plan: Any) -> Callable[..., Any]:
    """Returns (variables, key, points, from, to, arrays) -> places and hidden shares; `plan` holds
    options of the network's call, (name, value)."""
    del place

    def function(variables, key, points, source, target, arrays):
        options = {**dict(plan), **arrays}
        return calls.call(module, variables, key, points, source, target, **options)

    return function
