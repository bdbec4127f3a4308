"""RRDB (ESRGAN, ECCVW 2018; Real-ESRGAN, ICCVW 2021) in the registry."""

from daflow_jax.models.entry import Entry, Example
from daflow_jax.models.rrdb.config import VARIANTS, RRDBConfig


def example(config: RRDBConfig) -> Example:
    """Returns a call on one small frame."""
    import jax

    return Example((jax.ShapeDtypeStruct((1, config.frames, 8, 8, 3), "float32"),))


RRDB = Entry(
    family="rrdb",
    kind="restoration",
    config=RRDBConfig,
    module="daflow_jax.models.rrdb.model:RRDB",
    presets=VARIANTS,
    example=example,
    taps="daflow_jax.models.rrdb.taps:TAPS",
    checkpoints="daflow_jax.models.rrdb.convert:ARCHITECTURES",
)
