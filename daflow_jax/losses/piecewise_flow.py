"""The quadratic fit of `flow_fit` without LAPACK, for steps on several devices.

LAPACK's batches on CPUs wait for threads of the pool that collective operations hold: a step on
eight CPU devices never ended with it. Columns are made orthogonal in turn, twice: as exact.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.losses import flow_fit
from daflow_jax.losses.flow_fit import RIDGE, TERMS


def fitted(masks: Float[Array, "b h w k"], flow: Float[Array, "b h w 2"]) -> flow_fit.Fit:
    """Returns what `flow_fit.fit` returns, with gradients with respect to the masks."""
    height, width = masks.shape[1:3]
    terms = flow_fit.basis(height, width).reshape(-1, TERMS)
    weights = jnp.moveaxis(masks.astype(jnp.float32), -1, 1).reshape(len(masks), -1, len(terms))
    target = flow.astype(jnp.float32).reshape(len(flow), 1, -1, 2)
    left, right = weights[..., None] * terms, weights[..., None] * target
    ridge = jnp.broadcast_to(RIDGE * jnp.eye(TERMS), (*left.shape[:2], TERMS, TERMS))
    q, r = orthogonal(jnp.concatenate([left, ridge], -2))
    part = jnp.einsum("bknt,bknc->bktc", q[..., : len(terms), :], right, precision="highest")
    theta = _back(r, part)
    found = jnp.einsum("bkn,nt,bktc->bnc", weights, terms, theta, precision="highest")
    return flow_fit.Fit(theta, found.reshape(flow.shape))


def reconstruction_error(
    masks: Float[Array, "b h w k"], flow: Float[Array, "b h w 2"]
) -> Float[Array, " b"]:
    """Returns the mean squared difference of each flow and its fit, in square pixels."""
    return jnp.mean(jnp.square(fitted(masks, flow).flow - flow), (1, 2, 3))


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


def _back(upper, right):
    """Returns the solution of upper triangular systems, from the last unknown to the first."""
    found: list[jax.Array] = []
    for number in reversed(range(upper.shape[-1])):
        rest = right[..., number, :]
        for place, known in enumerate(found):
            rest = rest - upper[..., number, number + 1 + place, None] * known
        found.insert(0, rest / upper[..., number, number, None])
    return jnp.stack(found, -2)
