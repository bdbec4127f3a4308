"""The features that SEA-RAFT lends: what it matches."""

from daflow_jax.models import taps

TAPS = taps.of_maps(
    {"fnet": lambda module, frames: module.fnet(2 * frames - 1, False)}, default=("fnet",)
)
