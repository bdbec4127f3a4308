"""What is done to a clip on its way to a batch; every draw is a function of (seed, clip number)."""

import dataclasses

import numpy as np

from daflow_jax.degrade import pipeline
from daflow_jax.input_pipeline import sources

_DEGRADE, _JITTER = 0xDE6, 0x317


def _generator(seed: int, index: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed % 2**64, index, purpose])


@dataclasses.dataclass(frozen=True)
class Degrade:
    """Adds lq, float32 (f, h, w, 3) in [0, 1], to a clip with hq and index."""

    config: sources.DegradeConfig
    seed: int

    def __call__(self, clip: dict) -> dict:
        rng = _generator(self.seed, int(clip["index"]), _DEGRADE)
        if rng.random() < self.config.clean_share:
            return {**clip, "lq": clip["hq"]}
        frames = np.round(clip["hq"] * 255).astype(np.uint8)
        severity = (self.config.min_severity, self.config.max_severity)
        recipe = pipeline.sample_recipe(
            rng, self.config.mode, severity, len(frames), self.config.codec_share
        )
        bad = pipeline.apply(recipe, frames)
        return {**clip, "lq": bad.astype(np.float32) * np.float32(1 / 255)}


@dataclasses.dataclass(frozen=True)
class Jitter:
    """Gives the lq frames of some clips unequal gain, gamma and colour, as cameras do."""

    config: sources.DegradeConfig
    seed: int

    def __call__(self, clip: dict) -> dict:
        rng = _generator(self.seed, int(clip["index"]), _JITTER)
        if rng.random() >= self.config.jitter_share:
            return clip
        change = rng.uniform(-self.config.jitter, self.config.jitter, (len(clip["lq"]), 4))
        gain = np.exp(change[:, :1] + 0.3 * change[:, 1:]).astype(np.float32)[:, None, None]
        gamma = np.exp(change[:, 1] - change[:, 2]).astype(np.float32)[:, None, None, None]
        return {**clip, "lq": np.clip(clip["lq"] ** gamma * gain, 0, 1)}


@dataclasses.dataclass(frozen=True)
class Select:
    """Keeps the wanted keys of a clip and gives it weight 1."""

    keys: tuple[str, ...]

    def __call__(self, clip: dict) -> dict:
        clip = {**clip, "weight": np.float32(1)}
        return {key: clip[key] for key in self.keys}


def chain(config: sources.DataConfig) -> tuple:
    """Returns the transforms of a stream, in order."""
    degrade, jitter = (kind(config.degrade, config.seed) for kind in (Degrade, Jitter))
    return degrade, jitter, Select(config.keys)
