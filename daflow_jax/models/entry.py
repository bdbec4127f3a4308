"""What the general rooms know of a model: one `Entry`, written in the model's own folder."""

import dataclasses
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

Kind = Literal["flow", "restoration", "interpolation", "features", "segmentation", "tracks"]
KINDS: tuple[Kind, ...] = (
    "flow", "restoration", "interpolation", "features", "segmentation", "tracks",
)  # fmt: skip
Lazy = str  # "package.module:name", imported when it is first used: entries are read without flax


class CallOption(NamedTuple):
    """A keyword of a network's call that a person may set; the command line shows it as a flag.

    name: the keyword, "iters". help: one line for `--help`. least, most: the numbers allowed.
    type: of its value, int, float, bool or tuple. files: of tuples of arrays, the names of the
    files that the command line takes, ("TEXT", "POOLED"); they are read as arrays in that order.
    """

    name: str
    help: str
    least: float = 1
    type: Callable[[Any], Any] = int
    files: tuple[str, ...] = ()
    most: float | int = 10_000

    @property
    def flag(self) -> str:
        """How the option is written on the command line."""
        return "--" + self.name.replace("_", "-")


class Example(NamedTuple):
    """A call of a module that has every parameter: shapes for `init`, FLOPs and plans.

    args: ShapeDtypeStructs or static values; a random key stands as `KEY`. options: static
    keywords. method: of the module, None is `__call__`. streams: of random numbers besides
    "params".
    """

    args: tuple[Any, ...]
    options: Mapping[str, Any] = {}
    method: str | None = None
    streams: tuple[str, ...] = ()


def clip_example(
    config: Any,
    side: int | None = None,
    frames: int | None = None,
    options: Mapping[str, Any] | None = None,
    streams: tuple[str, ...] = (),
) -> Example:
    """Returns a call on one clip, by default of `config.frames` frames, `config.minimum` a side."""
    import jax

    side = config.minimum if side is None else side
    shape = (1, config.frames if frames is None else frames, side, side, 3)
    return Example((jax.ShapeDtypeStruct(shape, "float32"),), options or {}, streams=streams)


KEY = "key"  # stands for a random key among the arguments of an Example


class Part(NamedTuple):
    """A model of another kind inside of a model.

    config: the field of the configuration that describes it. path: of its parameters,
    "backbone".
    """

    config: str
    path: str


class Storage(NamedTuple):
    """How weights lie in model folders where that differs from how they lie in a run.

    stored: configuration of a run -> that of a folder. pack: variables of a run -> of a folder.
    unpack: (variables of a folder, configuration of a run) -> variables of a run.
    """

    stored: Callable[[Any], Any]
    pack: Lazy
    unpack: Lazy


class MeshLimit(NamedTuple):
    """What a mesh axis splits: its size must divide `count` ("attention heads", 24)."""

    what: str
    count: int


class Slim(NamedTuple):
    """How a network is reduced, without a change of its results, to what its users read.

    config: configuration -> that of the reduced network, None if it is reduced already. arrays:
    (full configuration, flat parameters, names) -> (name, array) of the reduced network's
    parameters in the order of `names`, one in memory at a time.
    """

    config: Callable[[Any], Any | None]
    arrays: Callable[[Any, Mapping[str, Any], Sequence[str]], Iterator[tuple[str, Any]]]


class TapSource(NamedTuple):
    """Features of a network that may find the same point in the next frame.

    kinds: names of the kinds of features. blocks: configuration -> places that can be tapped,
    numbers or words.
    default: those that are tapped unless asked otherwise. patch_size: pixels per token and axis.
    most_steps: configuration -> largest number of denoising steps (1: it does not denoise, or no
    more).
    build: (configuration, blocks, steps, tap_step) -> a compiled function of (variables, key,
    frames (f, h, w, 3)) to {(block, kind): (query, key)}, each (f, h / patch, w / patch, c); it may
    be called inside of another network, so modules are made with parent=None.
    untrained: (configuration, seed) -> configuration and variables of the network before training.
    """

    kinds: tuple[str, ...]
    blocks: Callable[[Any], tuple[Any, ...]]
    default: Callable[[Any], tuple[Any, ...]]
    patch_size: Callable[[Any], int]
    most_steps: Callable[[Any], int | None]
    build: Callable[[Any, tuple[Any, ...], int, int], Callable[..., Any]]
    untrained: Callable[[Any, int], tuple[Any, Any]]


class Recurrence(NamedTuple):
    """How a restorer takes a clip of any length in parts, as its state goes from part to part.

    start: (module, batch, (height, width)) -> the state before the first frame, a tree of arrays.
    part: (module, variables, frames (b, f, h, w, 3), state, count, exist) -> (the first `count`
        frames restored (b, count, s h, s w, 3), the state after them). The other frames are only
        looked at; those from number `exist` on, an int32 scalar, are not there.
    ahead: frames that are looked at after a part unless asked otherwise.
    """

    start: Callable[[Any, int, tuple[int, int]], Any]
    part: Callable[..., tuple[Any, Any]]
    ahead: int


@dataclasses.dataclass(frozen=True, eq=False)
class Entry:
    """One family of networks.

    Attributes:
        family: its name in config.json ("arch.family").
        kind: what its networks do.
        config: the class of its configurations. Every kind has `frames` (of the clips that it
            sees), `multiple` (height and width are multiples of it) and `minimum` (smallest height
            and width), both in pixels. Flow networks have `stride` (pixels per step of the grid of
            `FlowOutput.low`) and `uncertainty` (whether they predict a mixture of Laplace, then
            with `var_min` and `var_max`). Restorers have `scale` (of the result's side to the
            input's) and `maximum` (largest height and width in pixels, or None); those that read
            neighbours in time may have `context` (frames on each side; windows then share them).
            Interpolators have `any_time`: whether they find a frame at any time, or the one in the
            middle alone; then they are called on their own results, and `times` is 0.5. An option
            `scale` of theirs (flow at a share of the size) divides `multiple` where it is below 1.
            Segmenters have `masks` (how many), `stride` (pixels per cell of the logits) and `side`
            (longer side of the frames that they are used on, 0: any). Tracks are of one clip:
            `frames` long, fitted at `height` x `width` pixels.
        module: the Linen class, called with (config, dtype=, param_dtype=).
        presets: architectures by name.
        example: configuration -> the call that initialises every parameter.
        call_options: what a person may set at a call.
        streams: random streams that a call reads ("noise"). Every window of a clip is given the
            same numbers, whatever is computed beside it.
        refines: flow networks alone: the call takes `iters`, `init_flow` and `all_iterations`.
        all_scales: flow networks that do not refine: the call takes `all_scales`, True in training,
            and then returns a prediction of every size that it passes, the best one last.
        call: (module, variables, key, *inputs, **options) -> output, where the module's own call
            is not that of its kind (see `daflow_jax.models.calls`).
        check_call: (configuration, options) -> None; raises UserError for options that do not
            go together.
        check_start: (configuration of a run, variables of a model folder) -> None; raises UserError
            for weights from which this network cannot be trained.
        trainable: configuration -> named sets of parameters, as patterns of whole paths.
        storage: see `Storage`; None: as in a run.
        recurrence: a `Recurrence`, of restorers that see a clip as a whole.
        parts: models of other kinds that it holds.
        mesh_limits: (configuration, height in pixels) -> what the mesh axes "tensor" and "seq"
            split; an axis that is missing cannot be used.
        attention_lengths: (configuration, frames, height, width) -> lengths of its attention.
        products: patterns of whole paths of the kernels of transformer blocks, whose matrix
            products a policy of precision may round to 8 bits.
        slim: a `Slim`. taps: a `TapSource`.
        checkpoints: {architecture name: `daflow_jax.convert.architecture.Architecture`} of
            published files.
    """

    family: str
    kind: Kind
    config: type
    module: Lazy | type
    presets: Mapping[str, Any]
    example: Callable[[Any], Example]
    call_options: tuple[CallOption, ...] = ()
    streams: tuple[str, ...] = ()
    refines: bool = False
    all_scales: bool = False
    call: Lazy | Callable[..., Any] | None = None
    check_call: Lazy | Callable[[Any, Mapping[str, Any]], None] | None = None
    check_start: Lazy | Callable[[Any, Mapping[str, Any]], None] | None = None
    trainable: Callable[[Any], dict[str, tuple[str, ...]]] | None = None
    storage: Storage | None = None
    recurrence: Lazy | None = None
    parts: Mapping[str, Part] = dataclasses.field(default_factory=dict)
    mesh_limits: Callable[[Any, int], dict[str, MeshLimit]] | None = None
    attention_lengths: Callable[[Any, int, int, int], frozenset[int]] | None = None
    products: tuple[str, ...] = ()
    slim: Lazy | None = None
    taps: Lazy | None = None
    checkpoints: Lazy | None = None


def loaded(value: Any) -> Any:
    """Returns the object that a lazy reference names; other values as they are."""
    if not isinstance(value, str):
        return value
    module, _, name = value.partition(":")
    return getattr(importlib.import_module(module), name)
