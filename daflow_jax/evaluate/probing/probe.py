"""How well features find the same point in the next frame, sample by sample."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp

from daflow_jax.evaluate.probing.samples import Sample
from daflow_jax.metrics import correspondence
from daflow_jax.models.entry import TapSource

LEAST = 8  # samples of one size from which a mean per position is taken [choice]
Scores = dict[tuple[Any, ...], dict[str, float]]


class Probe:
    """Scores the features of one network at one step of a denoising run.

    Args:
        source: how the network lends features. config, variables: of the network.
        blocks: whose features are compared. steps: length of the run; its last step is read.
        seed: of the noise. It differs from sample to sample, or it would count as position.
    """

    def __init__(
        self,
        source: TapSource,
        config: Any,
        variables: Any,
        blocks: tuple[int, ...],
        steps: int,
        seed: int,
    ):
        self.patch_size = source.patch_size(config)
        self._variables, self._key = variables, jax.random.key(seed)
        self._features = source.build(config, blocks, steps, steps - 1)

    def features(
        self, sample: Sample, number: int
    ) -> dict[tuple[int, str], tuple[jax.Array, jax.Array]]:
        """Returns the features (h, w, c) of both frames of a padded sample, by block and kind;
        `number` chooses the noise."""
        key, first = jax.random.fold_in(self._key, number), sample.first
        with jax.default_matmul_precision("highest"):
            found = self._features(self._variables, key, sample.lq)
        return {name: (query[first], keys[first + 1]) for name, (query, keys) in found.items()}

    def scores(self, samples: Callable[[], Iterable[Sample]]) -> list[tuple[Sample, Scores]]:
        """Returns each sample with its scores by (block, kind, "plain" or "centred").

        Centred features have lost their mean over the samples at each position, and with it what
        they say of positions alone. That mean exists only among samples of one size; with fewer
        than LEAST of them there are no centred scores.
        """
        found, sums, counts = [], {}, {}
        for number, sample in enumerate(samples()):
            features = self.features(sample, number)
            found.append((sample, self._score(features, sample, "plain")))
            size = sample.flow.shape
            sums[size] = jax.tree.map(jnp.add, sums[size], features) if size in sums else features
            counts[size] = counts.get(size, 0) + 1
        for number, ((_, scores), sample) in enumerate(zip(found, samples(), strict=True)):
            count = counts[size := sample.flow.shape]
            if count >= LEAST:
                means = jax.tree.map(functools.partial(jnp.multiply, 1 / count), sums[size])
                centred = jax.tree.map(jnp.subtract, self.features(sample, number), means)
                scores |= self._score(centred, sample, "centred")
        return found

    def _score(self, features, sample, name) -> Scores:
        scores = _scores(features, sample.flow, sample.visible, self.patch_size)
        return {(*key, name): _floats(score) for key, score in scores.items()}


def references(sample: Sample, patch_size: int) -> dict[str, dict[str, float]]:
    """Returns the scores of zero flow and of raw patches of 20 x 20 pixels on a padded sample."""
    first = sample.first
    with jax.default_matmul_precision("highest"):
        found = _references(*sample.lq[first : first + 2], sample.flow, sample.visible, patch_size)
    return {name: _floats(score) for name, score in found.items()}


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
    return {name: correspondence.score(x, flow, visible, patch_size) for name, x in flows.items()}


def _floats(score) -> dict[str, float]:
    return {name: float(value.compute()) for name, value in score.items()}
