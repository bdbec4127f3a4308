"""What is done to a clip on its way to a batch; every draw is a function of (seed, clip number)."""

import dataclasses
from collections.abc import Callable

import numpy as np

from daflow_jax.degrade import corruptions, pipeline
from daflow_jax.errors import UserError
from daflow_jax.input_pipeline import augment, settings

_DEGRADE, _JITTER, _AUGMENT = 0xDE6, 0x317, 0xA06
_BOOKKEEPING = ("index", "source", "degraded")  # of a clip, not of a batch


def _generator(seed: int, index: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed % 2**64, index, purpose])


@dataclasses.dataclass(frozen=True)
class Augment:
    """Augments the clips of a mixture as their source says and cuts them to one size."""

    sources: tuple[settings.Source, ...]
    size: tuple[int, int]
    seed: int

    def __call__(self, clip: dict) -> dict:
        source = self.sources[clip["source"]]
        if source.degrade:
            clip = {key: value for key, value in clip.items() if key != "lq"}
        rng = _generator(self.seed, int(clip["index"]), _AUGMENT)
        drawn = augment.draw(_settings(source), clip["hq"].shape[:3], self.size, rng)
        if source.augment == "none":
            out = augment.apply(drawn, clip)
        else:
            out = _with_frames(augment.apply(drawn, _with_frames(clip, _as_bytes)), _as_float)
        return out if source.degrade else {"lq": out["hq"], **out, "degraded": True}


def _settings(source: settings.Source) -> augment.Dense | augment.Sparse | augment.CropOnly:
    if source.augment == "none":
        return augment.CropOnly()
    form = {"dense": augment.Dense(), "sparse": augment.Sparse()}[source.augment]
    changed = dict(min_scale=source.min_scale, max_scale=source.max_scale, flip=source.flip)
    geometry = dataclasses.replace(form.geometry, **changed)
    return dataclasses.replace(form, geometry=geometry)


def _with_frames(clip: dict, function: Callable[[np.ndarray], np.ndarray]) -> dict:
    return clip | {key: function(clip[key]) for key in ("lq", "hq") if key in clip}


def _as_bytes(frames: np.ndarray) -> np.ndarray:
    return np.round(frames * 255).astype(np.uint8)


def _as_float(frames: np.ndarray) -> np.ndarray:
    return frames.astype(np.float32) * np.float32(1 / 255)


@dataclasses.dataclass(frozen=True)
class Degrade:
    """Makes lq, float32 (f, h, w, 3) in [0, 1], from hq, unless the clip is "degraded" already."""

    config: settings.DegradeConfig
    seed: int

    def __call__(self, clip: dict) -> dict:
        if clip.get("degraded", False):
            return clip
        rng = _generator(self.seed, int(clip["index"]), _DEGRADE)
        if rng.random() < self.config.clean_share:
            return {**clip, "lq": clip["hq"]}
        frames = _as_bytes(clip["hq"])
        degraded = pipeline.apply(self._recipe(rng, len(frames)), frames)
        return {**clip, "lq": _as_float(degraded)}

    def _recipe(self, rng: np.random.Generator, frames: int) -> pipeline.Recipe:
        c = self.config
        if c.pipeline != "mixture":
            return pipeline.named(c.pipeline, 0, rng, frames)
        if c.single_share and rng.random() < c.single_share:
            return pipeline.named(str(rng.choice(corruptions.DETAIL)), rng.uniform(2, 5), rng)
        severity = (c.min_severity, c.max_severity)
        return pipeline.sample_recipe(rng, c.mode, severity, frames, c.codec_share)


@dataclasses.dataclass(frozen=True)
class Jitter:
    """Gives the lq frames of some clips unequal gain, gamma and colour, as cameras do."""

    config: settings.DegradeConfig
    seed: int

    def __call__(self, clip: dict) -> dict:
        rng = _generator(self.seed, int(clip["index"]), _JITTER)
        if clip.get("degraded", False) or rng.random() >= self.config.jitter_share:
            return clip
        change = rng.uniform(-self.config.jitter, self.config.jitter, (len(clip["lq"]), 4))
        gain = np.exp(change[:, :1] + 0.3 * change[:, 1:]).astype(np.float32)[:, None, None]
        gamma = np.exp(change[:, 1] - change[:, 2]).astype(np.float32)[:, None, None, None]
        return {**clip, "lq": np.clip(clip["lq"] ** gamma * gain, 0, 1)}


@dataclasses.dataclass(frozen=True)
class Select:
    """Keeps the wanted keys of a clip, all where none are named, and gives it weight 1."""

    keys: tuple[str, ...]

    def __call__(self, clip: dict) -> dict:
        clip = {**clip, "weight": np.float32(1)}
        if not self.keys:
            return {key: value for key, value in clip.items() if key not in _BOOKKEEPING}
        for key in self.keys:
            if key not in clip:
                source = f" of source {clip['source']}" if "source" in clip else ""
                rule = f"clip {clip['index']}{source} does not know {key!r}"
                raise UserError("data.keys", rule, "Leave the key out, or the source")
        return {key: clip[key] for key in self.keys}


def chain(config: settings.DataConfig) -> tuple:
    """Returns the transforms of a stream, in order."""
    size = (config.scene.height, config.scene.width)
    first = (Augment(config.sources, size, config.seed),) if config.sources else ()
    return *first, *degrading(config), Select(config.keys)


def degrading(config: settings.DataConfig) -> tuple:
    """Returns the transforms that make "lq", none where it is not wanted."""
    made = (kind(config.degrade, config.seed) for kind in (Degrade, Jitter))
    return tuple(made) if config.degrades else ()
