"""What is known of one kind of published checkpoint; every model folder lists its own."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from daflow_jax.convert import engine
from daflow_jax.io.mapped import Region


class Companion(NamedTuple):
    """Further files that a checkpoint needs; the command line shows them as a flag.

    name: "vae". metavar: of the files, ("FILE",) or several. help: one line for `--help`.
    """

    name: str
    metavar: tuple[str, ...]
    help: str


class Request(NamedTuple):
    """What to convert.

    file: checkpoint of the network: .safetensors, .pth, an index of shards, or a folder with one.
    arch: name of an architecture; "" recognises it by the names of its tensors.
    companions: further files by the name of their `Companion`.
    overrides: fields of the preset, dotted ("dit.control_scale").
    dtype: of the arrays written.
    """

    file: str | Path
    arch: str = ""
    companions: Mapping[str, tuple[str, ...]] = {}
    overrides: Mapping[str, Any] = {}
    dtype: str = "float32"


class Joined(NamedTuple):
    """What the companions add: tensors by published name, fields of the preset, initial values, and
    what the model folder's record says of them.
    """

    regions: Mapping[str, Region] = {}
    overrides: Mapping[str, Any] = {}
    initial: Sequence[engine.Initial] = ()
    record: Mapping[str, Any] = {}


class Written(NamedTuple):
    """How another library names the same network.

    rules: those of `Architecture.rules` whose names are that library's; `convert.reverse` reads
        them backwards. file: name of the file without its ending. example: Python that loads it.
    ignored: our parameters that the library's network lacks and its flow does not need.
    """

    rules: Sequence[engine.Rule]
    file: str
    example: str
    ignored: Sequence[engine.Ignored] = ()


class Architecture(NamedTuple):
    """One kind of published checkpoint.

    presets: configurations that it may have; the first one that fits is taken.
    signature: pattern of a tensor's name that only files of this kind have.
    rules, ignored, initial: see `daflow_jax.convert.engine`; `ignored` depends on the
        configuration.
    terms: of the published weights.
    companions: further files, and `join`: (request, tensors of the file) -> what they add; raises
        UserError for what is missing.
    check: (request, tensors, configuration) -> None; raises UserError for values that the network
        cannot use.
    writes: libraries that a model can be written for, by name ("torchvision").
    """

    presets: tuple[str, ...]
    signature: str
    rules: Sequence[engine.Rule]
    ignored: Callable[[Any], Sequence[engine.Ignored]]
    terms: str
    initial: Sequence[engine.Initial] = ()
    companions: tuple[Companion, ...] = ()
    join: Callable[[Request, Mapping[str, Any]], Joined] | None = None
    check: Callable[[Request, Mapping[str, Any], Any], None] | None = None
    writes: Mapping[str, Written] = {}
