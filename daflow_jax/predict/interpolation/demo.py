"""Interpolation exactly as CogVideo's composite demo does it, its quirks included.

The differences to `Stream`: sides off the network's multiple are not cropped but squeezed, input
frames too, by nearest neighbour; a frame that equals its successor is replaced by the network's
middle of it with itself; and the gate looks at that pair again. The demo also gives the last frame
a successor, itself: whoever asks does so. New frames follow by halves alone.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import jax
import numpy as np

from daflow_jax import errors
from daflow_jax.predict.interpolation.gate import Gate, judge
from daflow_jax.predict.interpolation.network import Network
from daflow_jax.predict.interpolation.pair import BEGIN, END, Pair
from daflow_jax.predict.interpolation.schedule import is_dyadic
from daflow_jax.predict.interpolation.stream import Ask, Stream


class DemoPair(Pair):
    """Two neighbours as the demo sees them.

    Attributes:
        emitted: what stands for the first one, padded, on the device.
    """

    def __init__(self, network: Network, pair: Sequence[np.ndarray], begin: Any, gate: Gate):
        super().__init__(network, pair[0], pair[1], begin)
        self._put()
        self.emitted, self.relation = self._known[BEGIN], gate(*pair)
        if self.relation == "static":
            again = network.between(self.emitted, self.emitted)
            self._known[END] = again
            self.relation = judge(gate.similarity(pair[0], np.asarray(again)[0]))
            self.emitted = network.repadded(again)
            self.is_replaced = True

    is_replaced = False

    @property
    def end(self) -> jax.Array | None:
        """The second frame on the device, unless another took its place."""
        return None if self.is_replaced else super().end

    def at(self, share: Fraction) -> jax.Array:
        """Returns the padded frame at a share in [0, 1)."""
        if share == 0:
            return self.emitted
        return self._known[BEGIN] if self.relation == "cut" else self.halved(share)


class DemoStream(Stream):
    """As `Stream`, in the demo's way; every frame, at share 0 too, is asked for with a second."""

    def _found(self, ask: Ask) -> jax.Array | np.ndarray:
        if ask.second is None or not is_dyadic(ask.share):
            rule = "the demo's frames come from pairs, by halves"
            raise errors.UserError(self._where, rule, "Use a factor of 2, 4 or 8")
        pair = self._of(ask.first, ask.second)
        assert isinstance(pair, DemoPair) and self._network is not None
        self.counts["frames"] += 1
        return self._network.squeezed(pair.at(ask.share), self._whole)

    def _paired(self, first: np.ndarray, second: np.ndarray, begin: Any, gate: Any) -> Pair:
        pair = DemoPair(self._network_of(first, second), (first, second), begin, gate)
        self.counts["static" if pair.is_replaced else pair.relation] += 1
        return pair
