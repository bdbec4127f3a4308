"""Small least squares in batches, without LAPACK.

LAPACK's batches on CPUs wait for threads of the pool that collective operations hold: a step on
eight CPU devices never ended with it. Columns are made orthogonal in turn, twice: as exact.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def solved(left: Float[Array, "*b n t"], right: Float[Array, "*b n c"]) -> Float[Array, "*b t c"]:
    """Returns the x of least |left x - right|; the columns of `left` are independent."""
    q, r = orthogonal(left)
    part = jnp.einsum("...nt,...nc->...tc", q, right, precision="highest")
    return back_substituted(r, part)


def orthogonal(
    x: Float[Array, "*b n t"],
) -> tuple[Float[Array, "*b n t"], Float[Array, "*b t t"]]:
    """Returns the QR factors of tall matrices by the Gram-Schmidt process, run twice a column."""
    columns: list[jax.Array] = []
    rows: list[jax.Array] = []
    for number in range(x.shape[-1]):
        rest, taken = x[..., number], jnp.zeros((*x.shape[:-2], x.shape[-1]))
        for _ in range(2 if columns else 0):
            known = jnp.stack(columns, -1)
            part = jnp.einsum("...nt,...n->...t", known, rest, precision="highest")
            rest = rest - jnp.einsum("...nt,...t->...n", known, part, precision="highest")
            taken = taken.at[..., :number].add(part)
        length = jnp.linalg.norm(rest, axis=-1)
        columns.append(rest / length[..., None])
        rows.append(taken.at[..., number].set(length))
    return jnp.stack(columns, -1), jnp.stack(rows, -1)


def back_substituted(upper, right):
    """Returns the solution of upper triangular systems, from the last unknown to the first."""
    found: list[jax.Array] = []
    for number in reversed(range(upper.shape[-1])):
        rest = right[..., number, :]
        for place, known in enumerate(found):
            rest = rest - upper[..., number, number + 1 + place, None] * known
        found.insert(0, rest / upper[..., number, number, None])
    return jnp.stack(found, -2)
