"""Two neighbours, and the frames that were found between them."""

from fractions import Fraction

import jax
import numpy as np

from daflow_jax.predict.interpolation.gate import Relation
from daflow_jax.predict.interpolation.network import Network

BEGIN, END = Fraction(0), Fraction(1)


class Pair:
    """Frames between two frames at any share of their interval.

    A network that finds middle frames alone is called on its own results, unrounded and still
    padded, until halves lead to the share.

    Args:
        first, second: frames (h, w, 3). begin: `first` on the device, if it is there already.
        relation: neighbours of two scenes, or equal ones, have the first frame between them.
    """

    def __init__(
        self,
        network: Network,
        first: np.ndarray,
        second: np.ndarray,
        begin: jax.Array | None = None,
        relation: Relation = "moving",
    ):
        self.first, self.second, self.relation = first, second, relation
        self._network = network
        self._known: dict[Fraction, jax.Array] = {} if begin is None else {BEGIN: begin}

    @property
    def end(self) -> jax.Array | None:
        """The second frame on the device, if it was needed there."""
        return self._known.get(END)

    def at(self, share: Fraction) -> jax.Array | np.ndarray:
        """Returns the padded frame at a share in (0, 1), on the device; where nothing moves the
        first frame as it was given."""
        if self.relation != "moving":
            return self.first
        self._put()
        if self._network.config.any_time:
            return self._network.between(self._known[BEGIN], self._known[END], float(share))
        return self.halved(share)

    def _put(self) -> None:
        for place, frame in ((BEGIN, self.first), (END, self.second)):
            if place not in self._known:
                self._known[place] = self._network.put(frame)

    def halved(self, share: Fraction) -> jax.Array:
        """Returns the padded frame at a share that halving leads to, by middle frames alone."""
        low, high = BEGIN, END
        while True:
            middle = (low + high) / 2
            if middle not in self._known:
                ends = self._known[low], self._known[high]
                self._known[middle] = self._network.between(*ends)
            if middle == share:
                return self._known[middle]
            low, high = (middle, high) if share > middle else (low, middle)
