"""How well features find the same point in the next frame, sample by sample."""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from einops import reduce

from daflow_jax.evaluate.probing import cache
from daflow_jax.evaluate.probing.samples import Sample
from daflow_jax.metrics import correspondence
from daflow_jax.models import taps
from daflow_jax.models.entry import TapSource
from daflow_jax.ops import windows

LEAST = 8  # samples of one size from which a mean per position is taken [choice]
SIDES = (20, 40)  # pixels: averaged windows that stand beside every network [choice]
Scores = dict[tuple[Any, ...], dict[str, float]]


class Grid(NamedTuple):
    """Where features are compared.

    token: pixels of the frames a side. shrink: frames are averaged to 1/shrink of their sides
    before the network.
    """

    token: int
    shrink: int = 1


class Probe:
    """Scores the features of one network at one step of a denoising run.

    Args:
        source: how the network lends features. config, variables: of the network.
        blocks: whose features are compared. steps: length of the run; its last step is read.
        seed: of the noise. It differs from sample to sample, or it would count as position.
        grid: see `Grid`; finer features are averaged to its tokens, coarser ones enlarged.
        kept: where features are looked up before they are computed.
    """

    def __init__(
        self,
        source: TapSource,
        config: Any,
        variables: Any,
        blocks: tuple[Any, ...],
        steps: int,
        seed: int,
        grid: Grid,
        kept: cache.Cache | None = None,
    ):
        self._kept = kept
        self._variables, self._key, self._grid = variables, jax.random.key(seed), grid
        self._features = source.build(config, blocks, steps, steps - 1)

    def features(
        self, sample: Sample, number: int
    ) -> dict[tuple[Any, str], tuple[jax.Array, jax.Array]]:
        """Returns the features (h, w, c) of both frames of a padded sample, by block and kind;
        `number` chooses the noise."""
        compute = functools.partial(self._compute, sample, number)
        return compute() if self._kept is None else self._kept(sample, number, compute)

    def _compute(self, sample, number):
        key, first, grid = jax.random.fold_in(self._key, number), sample.first, self._grid
        side, size = grid.shrink, sample.lq.shape[1:3]
        frames = reduce(sample.lq, "f (h i) (w j) c -> f h w c", "mean", i=side, j=side)
        with jax.default_matmul_precision("highest"):
            found = self._features(self._variables, key, frames)
        pairs = {name: (query[first], keys[first + 1]) for name, (query, keys) in found.items()}
        return jax.tree.map(lambda x: taps.at_stride(x, size, grid.token), pairs)

    def scores(self, samples: Callable[[], Iterable[Sample]]) -> list[tuple[Sample, Scores]]:
        """Returns each sample with its scores by (block, kind, form).

        Forms are "plain", "standardised" (each channel of each frame has mean 0 and deviation 1)
        and "centred": without the mean over the samples at each position, and so without what
        features say of positions alone. That mean exists only among samples of one size; with fewer
        than LEAST of them there are no centred scores.
        """
        found, sums, counts = [], {}, {}
        for number, sample in enumerate(samples()):
            features = self.features(sample, number)
            scores = self._score(features, sample, "plain")
            scores |= self._score(_standardised(features), sample, "standardised")
            found.append((sample._replace(lq=np.zeros(0), hq=np.zeros(0)), scores))
            size = sample.flow.shape
            sums[size] = jax.tree.map(jnp.add, sums[size], features) if size in sums else features
            counts[size] = counts.get(size, 0) + 1
        if max(counts.values(), default=0) < LEAST:
            return found
        for number, ((_, scores), sample) in enumerate(zip(found, samples(), strict=True)):
            count = counts[size := sample.flow.shape]
            if count >= LEAST:
                means = jax.tree.map(functools.partial(jnp.multiply, 1 / count), sums[size])
                centred = jax.tree.map(jnp.subtract, self.features(sample, number), means)
                scores |= self._score(centred, sample, "centred")
        return found

    def _score(self, features, sample, name) -> Scores:
        scores = _scores(features, sample.flow, sample.visible, self._grid.token)
        return {(*key, name): _floats(score) for key, score in scores.items()}


def references(sample: Sample, token: int) -> dict[str, dict[str, float]]:
    """Returns the scores on a padded sample of what needs no network: zero flow, raw patches of 20
    x 20 pixels, and averaged windows of 20 and 40 pixels (standardised), for tokens of `token`
    pixels; windows that are not wider than a token are left out."""
    first = sample.first
    with jax.default_matmul_precision("highest"):
        found = _references(*sample.lq[first : first + 2], sample.flow, sample.visible, token)
    return {name: _floats(score) for name, score in found.items()}


def shuffled(variables: Any, seed: int) -> Any:
    """Returns variables with the numbers of every array in disorder: what is left of a network
    when nothing is left of what it learned but the spread of its weights."""
    rng = np.random.default_rng(seed)

    def mixed(leaf):
        values = np.asarray(leaf)
        return jnp.asarray(rng.permutation(values.ravel()).reshape(values.shape))

    return jax.tree.map(mixed, variables)


@jax.jit
def _standardised(features):
    return jax.tree.map(windows.standardised, features)


@functools.partial(jax.jit, static_argnames="patch_size")
def _scores(features, flow, visible, patch_size):
    return {
        name: correspondence.score(correspondence.matches(*pair), flow, visible, patch_size)
        for name, pair in features.items()
    }


@functools.partial(jax.jit, static_argnames="patch_size")
def _references(frame, following, flow, visible, patch_size):
    raw = correspondence.patch_matches(frame, following, patch_size)
    flows = {"zero flow": jnp.zeros_like(raw), "raw patches": raw}
    for side in SIDES:
        if side > patch_size:
            maps = (windows.averaged(x, patch_size, side) for x in (frame, following))
            flows[f"averaged windows, {side} px"] = correspondence.matches(
                *(windows.standardised(x) for x in maps)
            )
    return {name: correspondence.score(x, flow, visible, patch_size) for name, x in flows.items()}


def _floats(score) -> dict[str, float]:
    return {name: float(value.compute()) for name, value in score.items()}
