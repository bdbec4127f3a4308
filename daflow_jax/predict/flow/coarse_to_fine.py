"""Flow from small frames first: fast motion and bad frames are easier to match there."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from daflow_jax.ops import scales as ops
from daflow_jax.predict.flow.estimator import Estimator, Layout
from daflow_jax.predict.flow.runner import Options, Runner

SMALLEST = 100  # [choice] pixels: sizes whose shorter side would be less are left out


def sizes(whole: tuple[int, int], scales: Sequence[float]) -> list[tuple[int, int]]:
    """Returns the smaller (height, width) that are estimated before `whole`."""
    small = [(round(scale * whole[0]), round(scale * whole[1])) for scale in scales]
    return [size for size in small if min(size) >= SMALLEST]


class CoarseToFine(Estimator):
    """Estimates smaller frames first; the refinement of every size starts from the flow of the one
    before, as pyramids do (Bergen et al., ECCV 1992), with one network at all sizes.

    A given `init_flow`, such as the last flow of a stream, starts the smallest size.
    """

    def __init__(self, runner: Runner, options: Options, layout: Layout, scales: Sequence[float]):
        """`scales`: of the smaller sizes, ascending, each in (0, 1)."""
        super().__init__(runner, options, layout)
        self.scales = scales
        self._coarse = Estimator(runner, options._replace(all_iterations=False), layout)

    def __call__(
        self, frames: np.ndarray, init_flow: np.ndarray | None = None, fill: int = 0
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns what `Estimator` does."""
        whole = frames.shape[1:3]
        flow = None if init_flow is None else self.high(init_flow, whole)
        for size in sizes(self.estimated(whole), self.scales):
            start = None if flow is None else self._coarse.low(_flow_at(flow, size))
            small = np.asarray(ops.images_at(jnp.asarray(frames), size))
            flows, _ = self._coarse(small, start, fill)
            flow = _flow_at(flows[-1, ..., :2], whole)
        return super().__call__(frames, None if flow is None else self.low(flow), fill)


def _flow_at(flow, size):
    return np.asarray(ops.flow_at(jnp.asarray(flow), size))
