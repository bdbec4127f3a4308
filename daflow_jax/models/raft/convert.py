"""Names of the released RAFT checkpoints (with or without "module.") to our paths.

torchvision's checkpoints hold the same networks (its weights expect frames in [-1, 1], which is
what ours makes of [0, 1]) under names of their own; the second half of the table is theirs.
"""

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


_RELEASED: tuple[Rule, ...] = (
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

_ENCODER = {"fnet": r"feature_encoder\.", "cnet": r"context_encoder\."}
_MOTION = r"update_block\.motion_encoder\."
_RECURRENT = r"update_block\.recurrent_block\."


def _torchvision_encoder(net: str, prefix: str) -> list[Rule]:
    """Returns the rules of one of torchvision's encoders."""
    block, ours = prefix + r"(layer\d)\.(\d)\.", rf"{net}/\1_\2"
    first = prefix + r"(layer\d)\.(0)\."  # only the first block of a stage changes the size
    return [
        *_pair(prefix + r"convnormrelu\.0", f"{net}/conv1"),
        *_norm(prefix + r"convnormrelu\.1", f"{net}/norm1"),
        *_pair(prefix + r"conv", f"{net}/conv2"),
        *_pair(block + r"convnormrelu(\d)\.0", ours + r"/conv\3"),
        *_norm(block + r"convnormrelu(\d)\.1", ours + r"/norm\3"),
        *_pair(first + r"downsample\.0", f"{ours}/downsample"),
        *_norm(first + r"downsample\.1", f"{ours}/downsample_norm"),
    ]


_TORCHVISION: tuple[Rule, ...] = (
    *(rule for net, prefix in _ENCODER.items() for rule in _torchvision_encoder(net, prefix)),
    *_pair(_MOTION + r"convcorr(\d)\.0", r"update/encoder/convc\1"),
    *_pair(_MOTION + r"convflow(\d)\.0", r"update/encoder/convf\1"),
    *_pair(_MOTION + r"conv\.0", "update/encoder/conv"),
    *_pair(r"mask_predictor\.convrelu\.0", "update/mask_head/conv1"),
    *_pair(r"mask_predictor\.conv", "update/mask_head/conv2"),
)

_GRU_PASS = _RECURRENT + r"convgru(\d)\.(conv[zrq])"

RULES: tuple[Rule, ...] = (
    *_RELEASED,
    *_TORCHVISION,
    *_pair(_GRU_PASS, r"update/gru\1/\2\1"),
)
# torchvision numbers RAFT-small's only pass too
SMALL_RULES: tuple[Rule, ...] = (*_RELEASED, *_TORCHVISION, *_pair(_GRU_PASS, r"update/gru/\2"))

DEAD: tuple[Dead, ...] = ((r".*\.num_batches_tracked", "a counter that inference does not read"),)
