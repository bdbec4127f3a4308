"""What a restorer's features and pictures are worth, sample by sample, without training."""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange

from daflow_jax import models
from daflow_jax.cli.samples import Sample
from daflow_jax.metrics import correspondence, image
from daflow_jax.metrics import flow as flow_metrics

KINDS = ("query_key", "key_key", "hidden")
LEAST = 8  # samples of one size from which a mean per position is taken [choice]
Scores = dict[tuple[Any, ...], dict[str, float]]


class Probe:
    """Scores the features of one network at one step of a denoising run.

    Args:
        config, variables: a restorer's. blocks: whose features are compared.
        steps, tap_step: length of the run, and the step that is read.
        seed: of the noise, which is another for every sample, or it would count as position.
    """

    def __init__(
        self,
        config: Any,
        variables: Any,
        blocks: tuple[int, ...],
        steps: int,
        tap_step: int,
        seed: int,
    ):
        self.cell, self._variables, self._key = config.multiple, variables, jax.random.key(seed)
        self._features = _features(config, blocks, steps, tap_step)

    def features(
        self, sample: Sample, number: int
    ) -> dict[tuple[int, str], tuple[jax.Array, jax.Array]]:
        """Returns the features (h, w, c) of both frames of a padded sample, by block and kind;
        `number` chooses the noise."""
        key = jax.random.fold_in(self._key, number)
        with jax.default_matmul_precision("highest"):
            return self._features(self._variables, key, sample.lq, sample.first)

    def scores(self, samples: Callable[[], Iterable[Sample]]) -> list[tuple[Sample, Scores]]:
        """Returns each sample with its scores by (block, kind, "plain" or "centred").

        Centred features have lost their mean over the samples at each position, and with it what
        the network knows of positions alone. That mean exists only among samples of one size; with
        fewer than LEAST of them there are no centred scores.
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
        scores = _scores(features, sample.flow, sample.visible, self.cell)
        return {(*key, name): _floats(score) for key, score in scores.items()}


@functools.cache
def _features(config, blocks, steps, tap_step):
    """Returns the compiled function of (variables, key, frames, first) to features by name."""
    dit = dataclasses.replace(config.dit, taps=blocks)
    tapped = {
        kind: models.build(dataclasses.replace(config, dit=dataclasses.replace(dit, tap_kind=kind)))
        for kind in ("query_key", "hidden")
    }

    @jax.jit
    def features(variables, key, frames, first):
        rows, found = frames.shape[1] // config.multiple, {}
        for kind, module in tapped.items():  # XLA merges what both compute
            taps = module.apply(variables, frames[None], key, steps, tap_step, method="features")
            for block, tap in zip(blocks, taps, strict=True):
                found[block, kind] = _pair(tap.query, tap.key, first, rows)
                if kind == "query_key":
                    found[block, "key_key"] = _pair(tap.key, tap.key, first, rows)
        return found

    return features


def references(sample: Sample, cell: int) -> dict[str, dict[str, float]]:
    """Returns the scores of zero flow and of raw patches of 20 x 20 pixels on a padded sample."""
    first = sample.first
    with jax.default_matmul_precision("highest"):
        found = _references(*sample.lq[first : first + 2], sample.flow, sample.visible, cell)
    return {name: _floats(score) for name, score in found.items()}


def random_variables(config: Any, seed: int) -> tuple[Any, Any]:
    """Returns configuration and variables of the same network before any training."""
    config = dataclasses.replace(config, dit=dataclasses.replace(config.dit, form="full"))
    module, key = models.build(config), jax.random.key(seed)
    frames = jnp.zeros((1, 2, 2 * config.multiple, 2 * config.multiple, 3))
    init = jax.jit(lambda key, x: module.init(key, x, key, method="features"))
    return config, init(key, frames)


def restoration(config: Any, variables: Any, seed: int) -> Callable[[Sample], dict[str, float]]:
    """Returns the PSNR (dB) of a sample's pair before and after restoration in one step."""
    module, key = models.build(config), jax.random.key(seed)

    @jax.jit
    def psnr(variables, key, lq, hq):
        restored = module.apply(variables, lq[None], key, method="restore")[0]
        return image.psnr(lq, hq), image.psnr(restored, hq)

    def measure(sample):
        with jax.default_matmul_precision("highest"):
            values = psnr(variables, key, sample.lq, sample.hq)
        pair = slice(sample.first, sample.first + 2)
        before, after = (float(np.mean(np.minimum(x, 60.0)[pair])) for x in values)
        return {"psnr_lq": before, "psnr": after}

    return measure


def exchange(
    config: Any, variables: Any, iters: int, seed: int
) -> Callable[[Sample, Sample], dict[str, float]]:
    """Returns the EPE (pixels) of a sample's flow by DA-Flow, and of the flow with diffusion
    features of another sample, "epe_exchanged"."""
    module, key = models.build(config), jax.random.key(seed)

    @jax.jit
    def epe(variables, key, frames, seen, flow, valid, first):
        out = module.apply(
            variables, frames[None], iters, backbone_frames=seen[None], rngs={"noise": key}
        )
        return flow_metrics.epe(out.flows[-1, 0, first], flow, valid).compute()

    def measure(sample, other):
        with jax.default_matmul_precision("highest"):
            own, foreign = (
                epe(variables, key, sample.lq, seen, sample.flow, sample.valid, sample.first)
                for seen in (sample.lq, other.lq)
            )
        return {"epe": float(own), "epe_exchanged": float(foreign)}

    return measure


@functools.partial(jax.jit, static_argnames="cell")
def _scores(features, flow, visible, cell):
    return {
        name: correspondence.score(correspondence.matches(*pair), flow, visible, cell)
        for name, pair in features.items()
    }


@functools.partial(jax.jit, static_argnames="cell")
def _references(frame, following, flow, visible, cell):
    raw = correspondence.patch_matches(frame, following, cell)
    flows = {"zero flow": jnp.zeros_like(raw), "raw patches": raw}
    return {name: correspondence.score(x, flow, visible, cell) for name, x in flows.items()}


def _pair(query, key, first, rows):
    grids = (rearrange(x[0], "f (h w) c -> f h w c", h=rows) for x in (query, key))
    return tuple(grid[first + after] for after, grid in enumerate(grids))


def _floats(score) -> dict[str, float]:
    return {name: float(value.compute()) for name, value in score.items()}
