"""The features that any network lends (`Entry.taps`) by name, on a grid that is asked for."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from einops import reduce
from jaxtyping import Array, Float

from daflow_jax import errors
from daflow_jax.models import registry
from daflow_jax.models.entry import TapSource, loaded
from daflow_jax.ops import scales

MAP = "map"  # the only kind of features of networks without queries and keys
Name = tuple[Any, str]  # block and kind, as a `TapSource` names them


def source_of(config: Any) -> TapSource:
    """Returns how a network lends features. Raises UserError for one that lends none."""
    entry = registry.entry_of(config)
    if entry.taps is None:
        lend = sorted(name for name, e in registry.ENTRIES.items() if e.taps)
        remedy = f"Name one of {', '.join(lend)}"
        raise errors.UserError("trunk", f"a {entry.family} network lends no features", remedy)
    return loaded(entry.taps)


def names(config: Any) -> dict[str, Name]:
    """Returns every tap of a network by its name: "5" is the first kind of block 5, "5/hidden" a
    kind that is named."""
    source, found = source_of(config), {}
    for block in source.blocks(config):
        found[str(block)] = block, source.kinds[0]
        found |= {f"{block}/{kind}": (block, kind) for kind in source.kinds}
    return found


def chosen(config: Any, wanted: Sequence[str]) -> tuple[TapSource, list[Name]]:
    """Returns the source and the taps of the names. Raises UserError with the nearest name."""
    known = names(config)
    for name in wanted:
        if name not in known:
            family = registry.entry_of(config).family
            rule = f"a {family} network has no such tap"
            plain = [each for each in known if "/" not in each] if "/" not in name else known
            raise errors.UserError(f"tap {name!r}", rule, errors.nearest(name, plain))
    return source_of(config), [known[name] for name in wanted]


def check_stride(config: Any, shrink: int, stride: int) -> None:
    """Raises UserError unless taps of frames that are `shrink` times smaller lie on a grid that
    divides that of `stride` pixels, or is divided by it."""
    own = source_of(config).patch_size(config) * shrink
    if stride % own and own % stride:
        rule = f"one value per {own} pixels does not fit a grid of {stride} pixels"
        remedy = f"Choose shrink so that {stride} is a multiple of it"
        raise errors.UserError("taps", rule, remedy)


def at_stride(
    maps: Float[Array, "*b y x c"], size: tuple[int, int], stride: int
) -> Float[Array, "*b h w c"]:
    """Returns maps of frames of (height, width) on the grid of `stride` pixels: means of finer
    ones, coarser ones enlarged (bilinear)."""
    height, width = size[0] // stride, size[1] // stride
    if maps.shape[-3] < height:
        return scales.images_at(maps, (height, width))
    i, j = maps.shape[-3] // height, maps.shape[-2] // width
    return reduce(jnp.asarray(maps), "... (h i) (w j) c -> ... h w c", "mean", i=i, j=j)


def untrained(config: Any, seed: int) -> tuple[Any, Any]:
    """Returns configuration and variables of a network before training."""
    from daflow_jax.models import calls

    module = registry.build(config)
    return config, jax.jit(lambda key: calls.init(module, key))(jax.random.key(seed))


def of_maps(maps: Mapping[str, Callable[[Any, Any], Any]], default: tuple[str, ...]) -> TapSource:
    """Returns the source of a network whose taps are maps on the grid of its `stride`.

    Args:
        maps: name -> function of (bound module, frames (f, h, w, 3)) to (f, h', w', c).
        default: those that are read unless asked otherwise.
    """

    @functools.cache
    def build(config: Any, blocks: tuple[str, ...], steps: int, tap_step: int):
        del steps, tap_step
        module = loaded(registry.entry_of(config).module)(config, parent=None)

        def found(bound, frames):
            return {(name, MAP): maps[name](bound, frames) for name in blocks}

        @jax.jit
        def features(variables, key, frames):
            rngs = {name: key for name in registry.entry_of(config).streams}
            own = module.apply(variables, frames, method=found, rngs=rngs)
            return {name: (x, x) for name, x in own.items()}

        return features

    return TapSource(
        kinds=(MAP,),
        blocks=lambda config: tuple(maps),
        default=lambda config: default,
        patch_size=lambda config: config.stride,
        most_steps=lambda config: 1,
        build=build,
        untrained=untrained,
    )


# What a network of kind `features` returns.
FEATURES = of_maps(
    {"features": lambda module, frames: module(frames[None])[0]}, default=("features",)
)
