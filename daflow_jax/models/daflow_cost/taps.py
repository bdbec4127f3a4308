"""The features that a second cost volume matches, beside those of its RAFT."""

from daflow_jax.models import taps


def _second(module, frames):
    clip = frames[None]
    return module.described(clip, module.flow.features(clip))[0]


TAPS = taps.of_maps(
    {"second": _second, "fnet": lambda module, frames: module.flow.features(frames[None])[0]},
    default=("second",),
)
