"""The number formats of parameters and of computation, written as one short text: "p=f32,c=bf16".

Whatever the policy says, these stay float32, because rounding them costs accuracy that nothing
wins back: softmax, norm statistics, correlation sums, coordinates and the flow that the refinement
carries, losses, metrics and the optimiser's moments.
"""

from typing import NamedTuple

import jax.numpy as jnp

from daflow_jax import errors

_DTYPES = {"f32": jnp.float32, "bf16": jnp.bfloat16}


class Precision(NamedTuple):
    """Dtypes handed down to modules: `param` for parameters at rest, `compute` for matrix
    products.
    """

    param: jnp.dtype
    compute: jnp.dtype


def parse(text: str) -> Precision:
    """Returns the policy that a text such as "p=f32,c=bf16" (or one format for both, "f32")
    names.
    """
    parts = dict(p=text, c=text) if "=" not in text else {}
    for item in text.split(",") if "=" in text else ():
        key, _, name = item.strip().partition("=")
        parts[key] = name
    if set(parts) != {"p", "c"}:
        raise errors.UserError(
            f"precision {text!r}", "needs p= (parameters) and c= (compute)", "Write p=f32,c=bf16"
        )
    for name in parts.values():
        if name not in _DTYPES:
            raise errors.UserError(
                f"precision {text!r}", f"unknown format {name!r}", errors.nearest(name, _DTYPES)
            )
    return Precision(param=jnp.dtype(_DTYPES[parts["p"]]), compute=jnp.dtype(_DTYPES[parts["c"]]))
