"""Variables that change how JAX computes, where they make it fail: named in one line."""

import os

import jax

from daflow_jax import errors

_STRICT = {  # option: its variable, the value that networks run with
    "jax_numpy_dtype_promotion": ("JAX_NUMPY_DTYPE_PROMOTION", "standard"),
    "jax_numpy_rank_promotion": ("JAX_NUMPY_RANK_PROMOTION", "allow"),
}


def check() -> None:
    """Raises UserError if JAX finds no device, or is set to refuse what networks do."""
    platforms()
    for option, (variable, usual) in _STRICT.items():
        value = getattr(jax.config, option)
        if value not in (usual, "warn"):
            where = f"{variable}={value}" if variable in os.environ else f"{option}={value!r}"
            rule = "networks add arrays of different kinds, which this forbids"
            raise errors.UserError(where, rule, f"Unset it, or set it to {usual}")


def platforms() -> list[jax.Device]:
    """Returns JAX's devices; raises UserError, which names JAX_PLATFORMS, if it can start none."""
    try:
        return jax.devices()
    except (RuntimeError, AssertionError) as error:
        asked = getattr(jax.config, "jax_platforms", None)
        where = f"JAX_PLATFORMS={asked}" if asked else "devices"
        first = (str(error).splitlines() or ["no such device"])[0].rstrip(".")
        rule = (
            f"JAX cannot start it here ({first[:120]})" if first else "JAX has no such device here"
        )
        remedy = "Unset it to use what there is, or install daflow-jax[cuda12] or [tpu]"
        raise errors.UserError(where, rule, remedy, 3) from None
