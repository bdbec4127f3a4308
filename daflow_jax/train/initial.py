"""Starting from the weights of another run or of a model folder, part by part."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from daflow_jax import errors

Tree = Any
RANDOM = "random"
_ITEM = re.compile(r"(?:(?P<target>[\w/]+)=)?(?P<path>(?:\w+://)?[^:=]+)(?::(?P<source>[\w/]+))?")


class Source(NamedTuple):
    """Weights under `source` (a parameter path, "" = all) of the folder `path` go under
    `target`.
    """

    target: str
    path: str
    source: str


def parse(text: str | Mapping[str, str]) -> list[Source]:
    """Returns the sources of "[TARGET=]DIR[:SOURCE],..." or of {TARGET: "DIR[:SOURCE]"}.

    "runs/a" takes everything; "backbone=runs/lift,flow=models/raft-small" fills two parts of a
    model. DIR "random" keeps the drawn weights of the target, or of all, and says that they are
    meant, though some of them never train.
    """
    if isinstance(text, Mapping):
        text = ",".join(f"{target}={value}" for target, value in text.items())
    sources = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise errors.UserError(
                f"config.checkpoint.init_from {item!r}", "write [TARGET=]DIR[:SOURCE]"
            )
        sources.append(Source(match["target"] or "", match["path"], match["source"] or ""))
    return sources


class Loaded(NamedTuple):
    """variables with the given leaves in place; names that were given, that found no use, that
    were left as they were, and whose floats were brought to the format in which the run keeps them.
    """

    variables: Tree
    used: list[str]
    unused: list[str]
    untouched: list[str]
    cast: list[str]


def load_partial(variables: Tree, given: Tree, source: Source) -> Loaded:
    """Returns `variables` with leaves of `given`.

    A leaf of collection c at c/SOURCE/x goes to c/TARGET/x. Raises UserError where a shape differs,
    or a dtype that is not a float, or where no name fits.
    """
    ours: dict[str, Any] = traverse_util.flatten_dict(variables, sep="/")
    theirs = _moved(traverse_util.flatten_dict(given, sep="/"), source)
    used = sorted(set(ours) & set(theirs))
    if not used:
        heads = sorted({"/".join(name.split("/")[:2]) for name in ours})
        rule = f"no name of {source.path} fits under {source.target or 'the whole model'!r}"
        raise errors.UserError(
            "config.checkpoint.init_from", rule, "The model has " + ", ".join(heads)
        )
    cast = [name for name in used if theirs[name].dtype != ours[name].dtype]
    for name in used:
        mine, new = ours[name], theirs[name]
        floats = all(jnp.issubdtype(x.dtype, jnp.floating) for x in (mine, new))
        if mine.shape != new.shape or (mine.dtype != new.dtype and not floats):
            got, want = (f"{x.dtype}{list(x.shape)}" for x in (new, mine))
            rule = f"{name} of {source.path} is {got}, the model's {want}"
            raise errors.UserError("config.checkpoint.init_from", rule, "Nothing is cut")
        # by the host: arrays of one process's devices cannot be put on those of all processes
        ours[name] = jax.device_put(np.asarray(new).astype(mine.dtype), mine.sharding)
    unused = sorted(set(theirs) - set(ours))
    untouched = sorted(name for name in set(ours) - set(theirs) if _under(name, source.target))
    return Loaded(traverse_util.unflatten_dict(ours, sep="/"), used, unused, untouched, cast)


def check_frozen(frozen: Sequence[str], given: Iterable[str], sources: Sequence[Source]) -> None:
    """Raises UserError naming the frozen parameters ("a/kernel") that no source has given values:
    they would stay as they were drawn.

    `given` are names of variables ("params/a/kernel").
    """
    drawn = [source.target for source in sources if source.path == RANDOM]
    filled = set(given)
    names = (f"params/{name}" for name in frozen)
    left = [
        name.removeprefix("params/")
        for name in names
        if name not in filled and not any(_under(name, target) for target in drawn)
    ]
    if left:
        rule = f"leaves {len(left)} frozen parameters as they were drawn, {', '.join(left[:5])}"
        head = left[0].split("/")[0]
        remedy = f"Name weights for them ({head}=DIR), or write {head}=random to keep drawn ones"
        raise errors.UserError("config.checkpoint.init_from", rule, remedy)


def _moved(flat: dict[str, Any], source: Source) -> dict[str, Any]:
    out = {}
    for name, leaf in flat.items():
        collection, _, rest = name.partition("/")
        if _under(name, source.source):
            inner = rest[len(source.source) :].lstrip("/")
            out["/".join(filter(None, (collection, source.target, inner)))] = leaf
    return out


def _under(name: str, prefix: str) -> bool:
    rest = name.partition("/")[2]
    return not prefix or rest == prefix or rest.startswith(prefix + "/")
