"""Names of the released SEA-RAFT checkpoints to our paths."""

import numpy as np

from daflow_jax.convert import rules
from daflow_jax.convert.architecture import Architecture
from daflow_jax.convert.engine import Ignored, Rule, dense, same

_NET = r"(fnet|cnet)\."
_REFINE = r"update_block\.refine\.(\d)\."
_BLOCK = r"update/block\1"


def _pointwise(x: np.ndarray) -> np.ndarray:
    """Returns a 1 x 1 kernel (1, 1, in, out) from a matrix (out, in)."""
    return dense(x)[None, None]


RULES: tuple[Rule, ...] = (
    *rules.layer(_NET + r"conv1", r"\1/conv1"),
    *rules.layer(_NET + r"final_conv", r"\1/conv2"),
    *rules.batch_norm(_NET + r"bn1", r"\1/norm1"),
    *rules.layer(_NET + r"(layer\d)\.(\d)\.(conv\d)", r"\1/\2_\3/\4"),
    *rules.batch_norm(_NET + r"(layer\d)\.(\d)\.bn([12])", r"\1/\2_\3/norm\4"),
    *rules.layer(_NET + r"(layer\d)\.(\d)\.downsample\.0", r"\1/\2_\3/downsample"),
    # One module under two names; a file may hold either or both.
    *rules.batch_norm(
        _NET + r"(layer\d)\.(\d)\.(?:downsample\.1|bn3)", r"\1/\2_\3/downsample_norm"
    ),
    *rules.layer(r"init_conv", "init_conv"),
    *rules.layer(r"update_block\.encoder\.(conv\w*)", r"update/encoder/\1"),
    *rules.layer(_REFINE + r"(dwconv|final)", _BLOCK + r"/\2"),
    *rules.layer(_REFINE + r"(pwconv[12])", _BLOCK + r"/\2", _pointwise),
    (_REFINE + r"norm\.weight", f"params/{_BLOCK}/norm_scale", same),
    (_REFINE + r"norm\.bias", f"params/{_BLOCK}/norm_bias", same),
    (_REFINE + r"gamma", f"params/{_BLOCK}/gamma", same),
    *rules.layer(r"flow_head\.0", "update/flow_head/conv1"),
    *rules.layer(r"flow_head\.2", "update/flow_head/conv2"),
    *rules.layer(r"upsample_weight\.0", "update/mask_head/conv1"),
    *rules.layer(r"upsample_weight\.2", "update/mask_head/conv2"),
)

IGNORED: tuple[Ignored, ...] = (rules.COUNTERS,)

ARCHITECTURES: dict[str, Architecture] = {
    "sea-raft": Architecture(
        ("sea-raft-s", "sea-raft-m"),
        r"init_conv\.weight",
        RULES,
        lambda config: IGNORED,
        "code BSD-3-Clause (Princeton Vision & Learning Lab); no licence is stated for the weights",
    ),
}
