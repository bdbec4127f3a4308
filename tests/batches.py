"""Batches of optical-flow clips for tests: every key that such clips may hold."""

from daflow_jax.tasks import inputs

_OPTIONAL = {key: inputs.optional(declared) for key, declared in inputs.CLIP.items()}
pad = inputs.pad


def zeros(size: int, frames: int, height: int, width: int):
    """Returns a batch of zeros with all flow valid."""
    clip = {"b": size, "f": frames, "h": height, "w": width}
    return inputs.zeros(inputs.CLIP, clip)


def check(batch) -> None:
    """Raises UserError where a batch breaks the rules of its keys."""
    inputs.check(_OPTIONAL, batch)
