"""The network whose features are compared, and which of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from daflow_jax import errors, models, pretrained
from daflow_jax.models.entry import TapSource


class Subject(NamedTuple):
    """A network that lends features, alone or as a part of the model that was loaded.

    loaded: the whole model. config, variables: of the network. source: how its features are read.
    blocks, steps: which blocks are read, at the last step of denoising runs of these lengths.
    """

    loaded: pretrained.LoadedModel
    config: Any
    variables: Any
    source: TapSource
    blocks: tuple[int, ...]
    steps: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the network also restores: it was not reduced to its features."""
        return self.source.most_steps(self.config) is None

    @property
    def window(self) -> int:
        """Frames that it sees at once, 2 or 3."""
        return min(max(self.config.frames, 2), 3)


def of(
    model: str | Path,
    blocks: Sequence[int] | str = "taps",
    steps: Sequence[int] = (1,),
) -> Subject:
    """Returns what is compared of a model folder or name.

    Args:
        blocks: numbers, "taps" (those that the model itself reads) or "all".

    Raises:
        UserError: a model without such features, or a block or number of steps that it has not.
    """
    loaded = pretrained.load(pretrained.resolve(model))
    config, variables, source = _lender(model, loaded)
    known = source.blocks(config)
    words = {"taps": source.default(config), "all": known}
    chosen = words[blocks] if isinstance(blocks, str) else tuple(sorted(set(blocks)))
    for block in chosen:
        if block not in known:
            remedy = f"Use {known[0]} to {known[-1]}, taps or all"
            raise errors.UserError("blocks", f"block {block} does not exist", remedy)
    most = source.most_steps(config)
    if most is not None:
        if max(steps) > most:
            rule = "needs denoising, and this model was slimmed to its first step"
            raise errors.UserError("steps", rule, "Use the model it was made from")
        chosen = tuple(sorted({*chosen, source.default(config)[-1]}))  # where the network ends
    return Subject(loaded, config, variables, source, chosen, tuple(steps))


def _lender(name, loaded) -> tuple[Any, Any, TapSource]:
    """Returns configuration, variables and source of the network that lends features."""
    for config, path in _networks(loaded.config):
        taps = models.entry_of(config).taps
        if taps is not None:
            inner = loaded.variables
            if path:
                inner = {kind: tree[path] for kind, tree in inner.items() if path in tree}
            return config, inner, models.loaded(taps)
    family = models.entry_of(loaded.config).family
    rule = f"is a {family} model, which lends no features"
    raise errors.UserError(name, rule, "Name a restorer, or a model with one as its backbone")


def _networks(config) -> Iterator[tuple[Any, str]]:
    """Yields configuration and parameter path of a model, then of its parts."""
    yield config, ""
    for part in models.entry_of(config).parts.values():
        yield getattr(config, part.config), part.path
