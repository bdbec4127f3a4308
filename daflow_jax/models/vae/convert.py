"""Names of the published SD3 autoencoder to our paths."""

from daflow_jax.convert.engine import Rule, conv, dense, dense_from_conv, same

_PART = r"(encoder|decoder)\."


def _pair(pattern: str, path: str, layout=conv) -> list[Rule]:
    return [
        (pattern + r"\.weight", f"params/{path}/kernel", layout),
        (pattern + r"\.bias", f"params/{path}/bias", same),
    ]


def _norm(pattern: str, path: str) -> list[Rule]:
    return [
        (pattern + r"\.weight", f"params/{path}/scale", same),
        (pattern + r"\.bias", f"params/{path}/bias", same),
    ]


def _residual(pattern: str, path: str, group: int) -> list[Rule]:
    """Returns the rules of one residual block; `group` numbers its layer name in the pattern."""
    return [
        *_norm(pattern + r"\.(norm[12])", rf"{path}/\{group}"),
        *_pair(pattern + r"\.(conv[12])", rf"{path}/\{group}"),
        *_pair(pattern + r"\.conv_shortcut", f"{path}/shortcut", dense_from_conv),
    ]


RULES: tuple[Rule, ...] = (
    *_pair(_PART + r"(conv_in|conv_out)", r"\1/\2"),
    *_norm(_PART + r"conv_norm_out", r"\1/norm_out"),
    *_residual(_PART + r"(down|up)_blocks\.(\d)\.resnets\.(\d)", r"\1/\2_\3_resnet_\4", 5),
    *_pair(_PART + r"down_blocks\.(\d)\.downsamplers\.0\.conv", r"\1/down_\2_downsample"),
    *_pair(_PART + r"up_blocks\.(\d)\.upsamplers\.0\.conv", r"\1/up_\2_upsample"),
    *_residual(_PART + r"mid_block\.resnets\.(\d)", r"\1/mid/resnet_\2", 3),
    *_norm(_PART + r"mid_block\.attentions\.0\.group_norm", r"\1/mid/attention/norm"),
    *_pair(_PART + r"mid_block\.attentions\.0\.(to_[qkv])", r"\1/mid/attention/\2", dense),
    *_pair(_PART + r"mid_block\.attentions\.0\.to_out\.0", r"\1/mid/attention/to_out", dense),
)
