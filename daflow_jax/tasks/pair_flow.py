"""Flow between the two frames of every clip, in both directions, from wherever a task takes it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from daflow_jax import models
from daflow_jax.losses import dense_agreement
from daflow_jax.ops import occlusion
from daflow_jax.tasks.inputs import Batch

SOURCES = ("batch", "network", "none", "shuffled")
RULES = ("distance", "relative", "none")
SLOPE, OFFSET = 0.1, 0.5  # of the relative rule (PooDLe's code: alpha1, alpha2)
PART = "flow"  # of the parameters: the flow network's


class Flows(NamedTuple):
    """flow: (2b, h, w, 2) pixels, the two directions of a pair beside each other. known: where it
    can be trusted.
    """

    flow: Float[Array, "b h w 2"]
    known: Bool[Array, "b h w"]


def both_ways(frames: Array) -> tuple[Array, Array]:
    """Returns of pairs (b, 2, ...) the first of every ordered pair (2b, ...), and the second; the
    two orders of a pair stand beside each other, on one device.
    """
    shape = (2 * len(frames), *frames.shape[2:])
    return frames.reshape(shape), jnp.flip(frames, 1).reshape(shape)


def reverse(x: Array) -> Array:
    """Returns arrays (2b, ...) with the two directions of every pair exchanged."""
    return both_ways(x.reshape(-1, 2, *x.shape[1:]))[1]


def find(source: str, rule: str, threshold: float, batch: Batch, estimate: Any) -> Flows:
    """Returns the flow and where it holds.

    Args:
        source: one of SOURCES. "none" (nothing moves) and "shuffled" (that of another clip) are
            controls.
        rule: "distance": there and back within `threshold` pixels (FlowE); "relative":
            |f + b|^2 <= 0.1 (|f|^2 + |b|^2) + 0.5 (PooDLe); "none".
        estimate: of "network": function of clips (2b, 2, h, w, 3) -> flow (2b, h, w, 2).
    """
    frames = batch["hq"]
    if source == "network":
        flow = estimate(jnp.stack(both_ways(frames), 1))
        known = jnp.ones(flow.shape[:3], bool)
    elif source == "none":
        flow = jnp.zeros((2 * len(frames), *frames.shape[2:4], 2))
        known = jnp.ones(flow.shape[:3], bool)
    else:
        flow = jnp.stack([batch["flow"][:, 0], batch["flow_back"][:, 0]], 1)
        known = jnp.stack([batch["valid"][:, 0], batch["valid_back"][:, 0]], 1)
        if source == "shuffled":
            flow, known = jnp.roll(flow, 1, 0), jnp.roll(known, 1, 0)
        flow, known = (x.reshape(-1, *x.shape[2:]) for x in (flow, known))
    backward = reverse(flow)
    if rule == "distance":
        known = known & (dense_agreement.round_trip(flow, backward) <= threshold)
    elif rule == "relative":
        known = known & ~occlusion.forward_backward_mask(flow, backward, "squared", SLOPE, OFFSET)
    return Flows(jax.lax.stop_gradient(flow), known)


def init(network: Any, rng: jax.Array, frames: Array) -> dict[str, Any]:
    """Returns the variables of a flow network."""
    entry = models.entry_of(network.config)
    options = {"iters": 1} if entry.refines else {}
    streams = {name: rng for name in ("params", *entry.streams)}
    return dict(network.init(streams, frames, **options))


def estimate(
    network: Any, params: Any, aux: Any, rng: jax.Array, clips: Array, iters: int
) -> Float[Array, "b h w 2"]:
    """Returns the flow of clips (b, 2, h, w, 3) by a frozen network."""
    entry = models.entry_of(network.config)
    variables = {"params": params[PART]}
    if PART in aux.get("batch_stats", {}):
        variables["batch_stats"] = aux["batch_stats"][PART]
    options = {"iters": iters, "all_iterations": False} if entry.refines else {}
    streams = {name: rng for name in entry.streams}
    return network.apply(variables, clips, rngs=streams, **options).flows[-1][:, 0]
