"""How a network of each kind is called, whatever its module looks like.

| kind | inputs | output |
|---|---|---|
| flow | clips (b, f, h, w, 3) | `FlowOutput` |
| restoration | clips (b, f, h, w, 3) | frames (b, f, s h, s w, 3) in [0, 1], s = `config.scale` |
| interpolation | pairs (b, 2, h, w, 3), times (b,) in (0, 1) | frames (b, h, w, 3) in [0, 1] |
| features | clips (b, f, h, w, 3) | maps (b, f, h', w', c) |
| segmentation | clips (b, f, h, w, 3) | logits (b, f, h / s, w / s, k), s = `config.stride` |
| tracks | points (b, n, 2) pixels, frames (b,), (b,) | places (b, n, 2), hidden (b, n) in [0, 1] |

Frames are float32 in [0, 1]; height and width fit `config.multiple` and `config.minimum`.
"""

from typing import Any

import jax
import jax.numpy as jnp

from daflow_jax.models import registry
from daflow_jax.models.entry import KEY, loaded


def call(module: Any, variables: Any, key: jax.Array, *inputs: Any, **options: Any) -> Any:
    """Returns the output of a network for the inputs of its kind.

    Args:
        key: of all random streams that the call reads. options: see `Entry.call_options`; flow
            networks that refine also take `init_flow` (b, f-1, h/stride, w/stride, 2) and
            `all_iterations`.
    """
    entry = registry.entry_of(module.config)
    if entry.call is not None:
        return loaded(entry.call)(module, variables, key, *inputs, **options)
    streams = {name: key for name in entry.streams}
    return module.apply(variables, *inputs, rngs=streams, **options)


def init(module: Any, key: jax.Array) -> Any:
    """Returns the variables of a module drawn with `key`, by the example call of its entry."""
    example = registry.example(module.config)
    args = [key if arg is KEY else _filled(arg) for arg in example.args]
    streams = {name: key for name in ("params", *example.streams)}
    return module.init(streams, *args, method=example.method, **example.options)


def abstract_variables(config: Any) -> Any:
    """Returns the shapes of a configuration's variables, computing nothing."""
    return jax.eval_shape(lambda: init(registry.build(config), jax.random.key(0)))


def _filled(arg: Any) -> Any:
    is_shape = isinstance(arg, jax.ShapeDtypeStruct)
    return jnp.zeros(arg.shape, arg.dtype) if is_shape else arg
