"""What every dimension is called, and which mesh axes it is split over: one table.

Modules name dimensions, never mesh axes. `constrain` places an activation, `named` says what the
dimensions of a parameter are; both raise on a name that the table lacks. Mesh axes are `dcn`
(clips, over slices that only a data center's network joins), `data` (clips), `fsdp` (clips, and the
parameters at rest), `seq` (image rows, and so tokens) and `tensor` (attention heads and hidden
features).
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import flax.struct
import jax
from flax.core import meta
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

from daflow_jax import errors

RULES: dict[str, tuple[str, ...]] = {
    # activations
    "batch": ("dcn", "data", "fsdp"),
    "frames": (),
    "rows": ("seq",),
    "columns": (),
    # Whole, for `ops.conv` sees them: where rows are split and another axis is larger than 1, XLA's
    # partitioner counts the gradient of a kernel several times (jaxlib 0.10.2).
    "image_rows": (),
    "tokens": ("seq",),
    "text": (),
    "width": (),
    "hidden": ("tensor",),
    "heads": ("tensor",),
    "head_dim": (),
    "channels": (),
    "targets": (),
    # parameters
    "layers": (),
    "embed": ("fsdp",),
    "head_features": ("tensor",),
    "mlp": ("tensor",),
    "modulations": ("tensor",),
}

_recording: contextvars.ContextVar[bool] = contextvars.ContextVar("recording", default=False)
_taken: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("taken", default=())


def mesh() -> AbstractMesh | None:
    """Returns the mesh of `jax.set_mesh`, None where there is none or where code already runs per
    device (inside shard_map).
    """
    ambient = jax.sharding.get_abstract_mesh()
    if ambient.empty or any(kind == AxisType.Manual for kind in ambient.axis_types):
        return None
    return ambient


def size(name: str) -> int:
    """Returns over how many devices the dimension `name` is split, 1 without a mesh."""
    over, ambient = _over(name), mesh()
    return 1 if ambient is None else _ways(over, ambient.shape)


def spec(shape: Sequence[int], names: Sequence[str], sizes: Any = None) -> PartitionSpec:
    """Returns where the dimensions of an array go; those that do not divide stay whole.

    `sizes` maps mesh axes to their sizes, by default those of the ambient mesh. Raises ValueError
    for an unknown name and for a wrong number of names.
    """
    if len(shape) != len(names):
        raise ValueError(f"{len(names)} names {tuple(names)} for shape {tuple(shape)}")
    ambient = mesh()
    sizes = sizes if sizes is not None else {} if ambient is None else ambient.shape
    places, used = [], set()
    for length, name in zip(shape, names, strict=True):
        over = tuple(axis for axis in _over(name) if sizes.get(axis, 1) > 1)
        free = over and not used & set(over) and length % _ways(over, sizes) == 0
        places.append((over[0] if len(over) == 1 else over) if free else None)
        used |= set(over) if free else set()
    return PartitionSpec(*places)


def constrain(x: jax.Array, *names: str) -> jax.Array:
    """Returns `x` split as its dimensions' names say; `x` itself without a mesh."""
    place = spec(x.shape, names)
    ambient = mesh()
    if ambient is None or ambient.size == 1:
        return x
    return jax.lax.with_sharding_constraint(x, place)


@contextlib.contextmanager
def taken(*over: str) -> Iterator[None]:
    """Takes mesh axes out of the table: inside `jax.vmap(..., spmd_axis_name=over)` they belong to
    the mapped dimension.
    """
    token = _taken.set(over)
    try:
        yield
    finally:
        _taken.reset(token)


class _Named(flax.struct.PyTreeNode, meta.AxisMetadata[Any]):
    """A parameter with the names of its dimensions, while `recorded` looks."""

    value: Any
    names: tuple[str, ...] = flax.struct.field(pytree_node=False)

    def unbox(self) -> Any:
        return self.value

    def replace_boxed(self, val: Any) -> "_Named":
        return self.replace(value=val)

    def add_axis(self, index: int, params: dict[Any, Any]) -> "_Named":
        names = list(self.names)
        names.insert(index, params[meta.PARTITION_NAME])
        return self.replace(names=tuple(names))

    def remove_axis(self, index: int, params: dict[Any, Any]) -> "_Named":
        del params
        return self.replace(names=self.names[:index] + self.names[index + 1 :])


def named(init: Callable[..., jax.Array], *names: str) -> Callable[..., Any]:
    """Returns `init` for a parameter whose dimensions are called `names`."""
    for name in names:
        _known(name)

    def make(rng, shape, dtype):
        value = init(rng, shape, dtype)
        return _Named(value, names) if _recording.get() else value

    return make


def recorded(init: Callable[[], Any]) -> dict[str, tuple[str, ...]]:
    """Returns {"/"-joined path: names} of the named parameters that `init()` would make."""
    with _record():
        tree = jax.eval_shape(lambda: init())  # a new function: nothing traced before is reused
    leaves = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda x: isinstance(x, _Named))[0]
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.names
        for path, leaf in leaves
        if isinstance(leaf, _Named)
    }


@contextlib.contextmanager
def _record() -> Iterator[None]:
    token = _recording.set(True)
    try:
        yield
    finally:
        _recording.reset(token)


def _over(name: str) -> tuple[str, ...]:
    return tuple(axis for axis in RULES[_known(name)] if axis not in _taken.get())


def _known(name: str) -> str:
    if name not in RULES:
        raise ValueError(f"unknown dimension {name!r}. {errors.nearest(name, RULES)}")
    return name


def _ways(over: Sequence[str], sizes: Any) -> int:
    ways = 1
    for axis in over:
        ways *= sizes.get(axis, 1)
    return ways
