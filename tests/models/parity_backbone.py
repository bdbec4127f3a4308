"""The comparison of the whole backbone with the published networks: fixtures, and what they hold.

`rows(fixture)` yields one Row per published array; a table of errors can be made of them.
"""

import functools
import re
from collections.abc import Iterator

from tests.models import backbone_golden as golden
from tests.models import parity_parts as parts
from tests.models import parity_transformer as transformer
from tests.models.parity import Row

_BOTH = {
    "sd3_tiny": transformer.sd3_tiny,
    "dit4sr_tiny": transformer.dit4sr_tiny,
    "dit4sr_lifted": transformer.dit4sr_lifted,
    "dit4sr_fullblock": transformer.dit4sr_fullblock,
    "dit4sr_train": transformer.dit4sr_train,
    "vae_tiny": parts.vae_tiny,
    "dpt": parts.dpt_heads,
    "color_fix": parts.color_fix,
}
FIXTURES = {
    **{f"{name}_s{i}": functools.partial(f, i) for name, f in _BOTH.items() for i in (0, 1)},
    "vae_full_s0": functools.partial(parts.vae_full, 0),
    "flow_dpt_full_s0": functools.partial(parts.flow_dpt_full, 0),
    "scheduler": parts.scheduler,
}
# what the published network was given; full names
INPUTS = re.compile(
    r"x|lr|txt|pooled|t|frames|grid|img|eps|feat\d|rcu\.in|content|style|"
    r"(image|clip)\.(x0|noise|lr)|(.*\.|logit_normal_)draw"
)
NOT_APPLICABLE = {"grad_names": "names the entries of every grad_norm; their rows read it"}


def rows(fixture: str) -> Iterator[Row]:
    """Yields our value beside every published array of a fixture that is a result."""
    return FIXTURES[fixture]()


def expected(fixture: str) -> set[str]:
    """Returns the names of the arrays that `rows` must cover."""
    names = set(golden.arrays(fixture)) - NOT_APPLICABLE.keys()
    return {name for name in names if not INPUTS.fullmatch(name)}
