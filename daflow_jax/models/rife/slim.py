"""The paper's network without the block that only its training needs."""

import dataclasses

from daflow_jax.models.entry import Slim
from daflow_jax.models.rife.config import RIFEConfig


def _config(full: RIFEConfig) -> RIFEConfig | None:
    return dataclasses.replace(full, teacher=False) if full.teacher else None


def _arrays(full, flat, names):
    del full
    return ((name, flat[name]) for name in names)


SLIM = Slim(_config, _arrays)
