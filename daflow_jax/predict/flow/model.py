"""Flow networks, called on frames."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from daflow_jax import errors
from daflow_jax.predict import frames as inputs
from daflow_jax.predict.flow import pairs
from daflow_jax.predict.flow.estimator import Estimator
from daflow_jax.predict.flow.layout import Layout
from daflow_jax.predict.flow.result import Result
from daflow_jax.predict.flow.stream import Stream
from daflow_jax.predict.model import Model


class FlowModel(Model):
    """A flow network with its weights; call it on frames.

    `module.apply(variables, frames, ...)` is pure and takes float (b, f, h, w, 3) in [0, 1] with h
    and w multiples of `config.multiple` and at least `config.minimum`.
    """

    def __init__(
        self,
        config: Any,
        variables: Any,
        *,
        layout: Layout = Layout(),  # noqa: B008
        **place: Any,
    ):
        """As `Model`; `layout`: batch, padding, tiles, smaller sizes to begin with."""
        super().__init__(config, variables, **place)
        self.layout = layout
        self._estimators: dict[Any, Estimator] = {}  # each remembers what the device could hold
        layout.check(self.programs.place.grid(config))
        if layout.scales:
            self._check_refines("scales")

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "layout": self.layout}

    @property
    def iters(self) -> int | None:
        """Refinement steps unless asked otherwise; None of networks without such steps."""
        return self.defaults.get("iters")

    @property
    def scales(self) -> tuple[float, ...]:
        """Smaller sizes that are estimated first: as asked for, or what the weights came with."""
        if self.layout.scales is not None:
            return self.layout.scales
        return tuple(self.meta.get("defaults", {}).get("scales", ()))

    def __call__(
        self,
        frames: Any,
        *,
        bidirectional: bool = False,
        all_iterations: bool = False,
        uncertainty: bool = False,
        init_flow: np.ndarray | None = None,
        **options: Any,
    ) -> np.ndarray | Result:
        """Returns float32 flow in pixels of the frames: (dx right, dy down), frame k to k+1.

        Args:
            frames: (t, h, w, 3) gives (t-1, h, w, 2); a pair (a, b) of (h, w, 3) gives (h, w, 2).
                uint8, uint16 or float in [0, 1]; grey and alpha are handled; any size from 2x2.
            bidirectional: return a Result with backward flow, occlusion and confidence.
            all_iterations: return a Result with the flow after every step of refinement.
            uncertainty: return a Result with the network's own uncertainty, of models that have it.
            init_flow: flow in pixels that the refinement starts from, shaped as the result.
            options: of the network, such as `iters`; `defaults` lists them.

        Raises:
            UserError: frames of another dtype, range or shape, or an option that the model has not;
                the rule and remedy are named.
        """
        if uncertainty:
            self.check_uncertainty()
        estimator = self.estimator(all_iterations=all_iterations, **options)
        lone = isinstance(frames, tuple | list) and len(frames) == 2
        if init_flow is not None:
            self._check_refines("init_flow")
            init_flow = np.asarray(init_flow, np.float32).reshape(-1, *np.shape(init_flow)[-3:])
        clip = inputs.as_clip(frames)
        result = pairs.estimate_clip(estimator, clip, bidirectional, init_flow)
        if lone:
            result = result.pair(0)
        return result if bidirectional or all_iterations or uncertainty else result.flow

    def stream(
        self,
        frames: Iterable[np.ndarray] | None = None,
        *,
        warm_start: bool | None = None,
        bidirectional: bool = False,
        uncertainty: bool = False,
        results: bool = False,
        where: str = "frames",
        **options: Any,
    ) -> Stream:
        """Returns an iterator over the flow of each pair of neighbours, at constant memory.

        Yields (h, w, 2) arrays, or Results if bidirectional, with the uncertainty or if `results`
        are asked for; `reset(frames)` starts over. `warm_start` is on for networks that refine a
        start; `where` names the frames in errors.
        """
        if uncertainty:
            self.check_uncertainty()
        if warm_start:
            self._check_refines("warm_start")
        kind = Stream if bidirectional or uncertainty or results else Flows
        warm = self.entry.refines if warm_start is None else warm_start
        estimator = self.estimator(**options)
        return kind(estimator, frames, warm_start=warm, bidirectional=bidirectional, where=where)

    def estimator(self, *, all_iterations: bool = False, **options: Any) -> Estimator:
        """Returns what estimates the flow of frames in memory with these settings."""
        if all_iterations:
            self._check_refines("all_iterations")
        chosen = self.options(**options)
        settings = self.layout, self.scales, all_iterations
        key = chosen.static, *settings
        if key not in self._estimators:
            self._estimators[key] = Estimator(self.programs, chosen, *settings)
        return self._estimators[key]

    def check_uncertainty(self) -> None:
        """Raises UserError unless the network predicts its uncertainty."""
        if not self.config.uncertainty:
            remedy = "Train one whose configuration says uncertainty=True, or use SEA-RAFT"
            raise errors.UserError("uncertainty", f"{self.name} predicts none", remedy)

    def _check_refines(self, what: str) -> None:
        if not self.entry.refines:
            rule = f"{self.name} does not refine a flow that it is given"
            raise errors.UserError(what, rule, "Leave it out or use another model")


class Flows(Stream):
    """Iterates over plain flow (h, w, 2)."""

    def __next__(self) -> np.ndarray:
        return super().__next__().flow
