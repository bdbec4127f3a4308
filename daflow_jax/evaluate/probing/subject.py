"""The network whose features are compared, and which of them."""

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from daflow_jax import errors, models, pretrained
from daflow_jax.models import taps
from daflow_jax.models.entry import TapSource

LEAST_TOKEN = 8  # pixels: features of single pixels are too many to be compared [choice]


class Subject(NamedTuple):
    """A network that lends features, alone or as a part of the model that was loaded.

    loaded: the whole model. config, variables: of the network. source: how its features are read.
    blocks, steps: which blocks are read, at the last step of denoising runs of these lengths.
    shrink: frames are averaged to 1/shrink of their sides before the network.
    """

    loaded: pretrained.LoadedModel
    config: Any
    variables: Any
    source: TapSource
    blocks: tuple[Any, ...]
    steps: tuple[int, ...]
    shrink: int

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.loaded.meta.get("name"))

    @property
    def restores(self) -> bool:
        """Whether the network also restores frames at their size: it was not reduced to its
        features."""
        is_restorer = models.entry_of(self.config).kind == "restoration"
        whole = self.source.most_steps(self.config) is None
        return is_restorer and whole and self.config.scale == 1

    @property
    def window(self) -> int:
        """Frames that it sees at once, 2 or 3."""
        return min(max(self.config.frames, 2), 3)

    @property
    def stride(self) -> int:
        """Pixels of the frames from one of its features to the next."""
        return self.source.patch_size(self.config) * self.shrink

    @property
    def multiple(self) -> int:
        """Height and width of frames must be multiples of this."""
        return self.loaded.config.multiple * self.shrink

    @property
    def takes_foreign_frames(self) -> bool:
        """Whether the whole model is a flow network that can be shown other frames' features."""
        entry = models.entry_of(self.loaded.config)
        call = models.loaded(entry.module).__call__
        return entry.kind == "flow" and "backbone_frames" in inspect.signature(call).parameters


def of(
    model: str | Path,
    blocks: Sequence[int | str] | str = "taps",
    steps: Sequence[int] = (1,),
    shrink: int = 0,
) -> Subject:
    """Returns what is compared of a model folder or name.

    Args:
        blocks: numbers or names, "taps" (those that the model itself reads) or "all".
        shrink: see `Subject`; 0 means the factor by which the network enlarges frames, else 1.

    Raises:
        UserError: a model without such features, or a block or number of steps that it has not.
    """
    loaded = pretrained.load(pretrained.resolve(model))
    config, variables, source = _lender(model, loaded)
    known = {str(block): block for block in source.blocks(config)}
    words = {"taps": source.default(config), "all": tuple(known.values())}
    chosen = words[blocks] if isinstance(blocks, str) else _chosen(known, blocks)
    most = source.most_steps(config)
    if most is not None and max(steps) > most:
        rule = f"{loaded.meta.get('name')} denoises in {most} step at most"
        raise errors.UserError("steps", rule, "Leave it out, or use the model it was made from")
    if most is not None and models.entry_of(config).slim:  # where a reduced network ends
        chosen = tuple(sorted({*chosen, source.default(config)[-1]}))
    shrink = shrink or getattr(config, "scale", 1)
    return Subject(loaded, config, variables, source, tuple(chosen), tuple(steps), shrink)


def token(subjects: Sequence[Subject], wanted: int = 0) -> int:
    """Returns the side in pixels of the tokens on which all are compared: `wanted`, or the coarsest
    of their own, and at least 8.

    Raises UserError for a side that some features do not fit.
    """
    side = wanted or max(LEAST_TOKEN, *(subject.stride for subject in subjects))
    for subject in subjects:
        own = subject.stride
        if side % own and own % side:
            rule = f"{side} px do not fit features of {subject.name}, one per {own} px"
            raise errors.UserError("token", rule, f"Use a multiple of {own}, or another shrink")
    return side


def _chosen(known: dict[str, Any], wanted: Sequence[int | str]) -> tuple[Any, ...]:
    names = list(dict.fromkeys(str(each) for each in wanted))
    for name in names:
        if name not in known:
            numbers = list(known.values())
            span = f"{numbers[0]} to {numbers[-1]}, taps or all"
            is_number = all(isinstance(each, int) for each in numbers)
            remedy = f"Use {span}" if is_number else errors.nearest(name, known)
            raise errors.UserError("blocks", f"block {name} does not exist", remedy)
    return tuple(block for name, block in known.items() if name in names)


def _lender(name, loaded) -> tuple[Any, Any, TapSource]:
    """Returns configuration, variables and source of the network that lends features."""
    for config, path in _networks(loaded.config):
        if models.entry_of(config).taps is not None:
            inner = loaded.variables
            if path:
                inner = {kind: tree[path] for kind, tree in inner.items() if path in tree}
            return config, inner, taps.source_of(config)
    family = models.entry_of(loaded.config).family
    rule = f"is a {family} model, which lends no features"
    lend = sorted(name for name, entry in models.ENTRIES.items() if entry.taps)
    raise errors.UserError(name, rule, f"Name a model of {', '.join(lend)}")


def _networks(config) -> Iterator[tuple[Any, str]]:
    """Yields configuration and parameter path of a model, then of its parts."""
    yield config, ""
    for part in models.entry_of(config).parts.values():
        yield getattr(config, part.config), part.path
