"""Names of the released SEA-RAFT checkpoints (with or without "module.") to our paths."""

import numpy as np

from daflow_jax.convert.engine import Dead, Rule, conv, dense, same

_ANY = r"(?:module\.)?"
_NET = _ANY + r"(fnet|cnet)\."
_REFINE = _ANY + r"update_block\.refine\.(\d)\."
_BLOCK = r"update/block\1"


def _pointwise(x: np.ndarray) -> np.ndarray:
    """Returns a 1 x 1 kernel (1, 1, in, out) from a matrix (out, in)."""
    return dense(x)[None, None]


def _pair(pattern: str, path: str, layout=conv) -> list[Rule]:
    """Returns the rules for weight and bias of one layer."""
    return [
        (pattern + r"\.weight", f"params/{path}/kernel", layout),
        (pattern + r"\.bias", f"params/{path}/bias", same),
    ]


def _norm(pattern: str, path: str) -> list[Rule]:
    """Returns the rules for one batch norm."""
    return [
        (pattern + r"\.weight", f"params/{path}/scale", same),
        (pattern + r"\.bias", f"params/{path}/bias", same),
        (pattern + r"\.running_mean", f"batch_stats/{path}/mean", same),
        (pattern + r"\.running_var", f"batch_stats/{path}/var", same),
    ]


RULES: tuple[Rule, ...] = (
    *_pair(_NET + r"conv1", r"\1/conv1"),
    *_pair(_NET + r"final_conv", r"\1/conv2"),
    *_norm(_NET + r"bn1", r"\1/norm1"),
    *_pair(_NET + r"(layer\d)\.(\d)\.(conv\d)", r"\1/\2_\3/\4"),
    *_norm(_NET + r"(layer\d)\.(\d)\.bn([12])", r"\1/\2_\3/norm\4"),
    *_pair(_NET + r"(layer\d)\.(\d)\.downsample\.0", r"\1/\2_\3/downsample"),
    # One module under two names; a file may hold either or both.
    *_norm(_NET + r"(layer\d)\.(\d)\.(?:downsample\.1|bn3)", r"\1/\2_\3/downsample_norm"),
    *_pair(_ANY + r"init_conv", "init_conv"),
    *_pair(_ANY + r"update_block\.encoder\.(conv\w*)", r"update/encoder/\1"),
    *_pair(_REFINE + r"(dwconv|final)", _BLOCK + r"/\2"),
    *_pair(_REFINE + r"(pwconv[12])", _BLOCK + r"/\2", _pointwise),
    (_REFINE + r"norm\.weight", f"params/{_BLOCK}/norm_scale", same),
    (_REFINE + r"norm\.bias", f"params/{_BLOCK}/norm_bias", same),
    (_REFINE + r"gamma", f"params/{_BLOCK}/gamma", same),
    *_pair(_ANY + r"flow_head\.0", "update/flow_head/conv1"),
    *_pair(_ANY + r"flow_head\.2", "update/flow_head/conv2"),
    *_pair(_ANY + r"upsample_weight\.0", "update/mask_head/conv1"),
    *_pair(_ANY + r"upsample_weight\.2", "update/mask_head/conv2"),
)

DEAD: tuple[Dead, ...] = ((r".*\.num_batches_tracked", "a counter that inference does not read"),)
