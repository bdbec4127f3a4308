"""RRDB (ESRGAN, ECCVW 2018; Real-ESRGAN, ICCVW 2021) in the registry."""

from daflow_jax.models.entry import Entry, Example, clip_example
from daflow_jax.models.rrdb.config import VARIANTS, RRDBConfig


def example(config: RRDBConfig) -> Example:
    """Returns a call on one small frame."""
    return clip_example(config, side=8)


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
