"""The features that RAFT lends: what it matches, and its context."""

from daflow_jax.models import taps

TAPS = taps.of_maps(
    {
        "fnet": lambda module, frames: module.features(frames[None])[0],
        "cnet": lambda module, frames: module.cnet(2 * frames - 1),
    },
    default=("fnet",),
)
