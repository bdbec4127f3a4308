"""Names of the released RAFT checkpoints (with or without "module.") to our paths."""

from daflow_jax.convert.engine import Dead, Rule, conv, same

_GRU = r"(?:module\.)?update_block\.gru\."
_UPDATE = r"(?:module\.)?update_block\."
_NET = r"(?:module\.)?(fnet|cnet)\."


def _pair(pattern: str, path: str) -> list[Rule]:
    """Returns the rules for the weight and bias of one convolution."""
    return [
        (pattern + r"\.weight", f"params/{path}/kernel", conv),
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
    *_pair(_NET + r"(conv[12])", r"\1/\2"),
    *_pair(_NET + r"(layer\d)\.(\d)\.(conv\d)", r"\1/\2_\3/\4"),
    *_pair(_NET + r"(layer\d)\.(\d)\.downsample\.0", r"\1/\2_\3/downsample"),
    *_norm(_NET + r"(norm1)", r"\1/\2"),
    # One module under two names: norm3 (norm4 in bottlenecks) is downsample.1.
    *_norm(_NET + r"(layer\d)\.0\.(?:downsample\.1|norm3|norm4)", r"\1/\2_0/downsample_norm"),
    *_norm(_NET + r"(layer\d)\.(\d)\.(norm[12])", r"\1/\2_\3/\4"),
    *_pair(_UPDATE + r"encoder\.(conv\w*)", r"update/encoder/\1"),
    *_pair(_GRU + r"(conv[zrq])([12])", r"update/gru\2/\1\2"),
    *_pair(_GRU + r"(conv[zrq])", r"update/gru/\1"),
    *_pair(_UPDATE + r"flow_head\.(conv[12])", r"update/flow_head/\1"),
    *_pair(_UPDATE + r"mask\.0", "update/mask_head/conv1"),
    *_pair(_UPDATE + r"mask\.2", "update/mask_head/conv2"),
)

DEAD: tuple[Dead, ...] = ((r".*\.num_batches_tracked", "a counter that inference does not read"),)
