"""Clips by number: the table of random-access sources under the loader."""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from daflow_jax.errors import UserError, nearest
from daflow_jax.input_pipeline import generated, settings
from daflow_jax.synthetic import scene as scenes


@runtime_checkable
class Clips(Protocol):
    """A source of clips: item i is a dict of arrays without batch axis, a function of the settings
    and i alone, with its number under "index".

    Frames are float32 in [0, 1]. Clean frames are under "hq"; where a batch wants "lq" they are
    degraded, unless the clip has "degraded" True and its own "lq".
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> dict[str, Any]: ...


Factory = Callable[[settings.DataConfig], Clips]


def _mixture(config: settings.DataConfig) -> Clips:
    from daflow_jax.input_pipeline import mixture  # reads files: needs packages that few runs do

    return mixture.Mixture(config)


SOURCES: dict[str, Factory] = {"synthetic": generated.Synthetic, "mixture": _mixture}


def register(name: str, factory: Factory) -> Factory:
    """Adds a source of clips to those that `data.name` may name; returns it.

    With workers the source, or what its factory makes, travels to other processes by pickle.
    Raises ValueError for a name that another source has.
    """
    if SOURCES.get(name, factory) is not factory:
        raise ValueError(f"source {name!r} is registered already; take another name")
    SOURCES[name] = factory
    return factory


def check(name: str) -> None:
    """Raises UserError for a name that is not in the table."""
    if name not in SOURCES:
        raise UserError("data.name", f"unknown data {name!r}", nearest(name, SOURCES))


def open_source(config: settings.DataConfig) -> Clips:
    """Returns the source that a configuration names."""
    check(config.name)
    return SOURCES[config.name](config)


def held_out(config: settings.DataConfig, name: str = "") -> settings.DataConfig:
    """Returns the settings of clips that no training stream of `config` has.

    They are of the source `name`, by default the stream's own with another seed; of a mixture, all
    of whose files are trained on, the generator's.
    """
    name = name or ("synthetic" if config.name == "mixture" else config.name)
    seed = config.seed + scenes.EVAL_SEED
    gap = (1, 1) if name == "synthetic" else config.gap
    return dataclasses.replace(config, name=name, sources=(), seed=seed, gap=gap)
