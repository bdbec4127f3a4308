"""Names of the published SD3 autoencoder to our paths."""

from daflow_jax.convert import rules
from daflow_jax.convert.architecture import Architecture
from daflow_jax.convert.engine import Rule, dense, dense_from_conv

_PART = r"(encoder|decoder)\."


def _residual(pattern: str, path: str, group: int) -> list[Rule]:
    """Returns the rules of one residual block; `group` numbers its layer name in the pattern."""
    return [
        *rules.norm(pattern + r"\.(norm[12])", rf"{path}/\{group}"),
        *rules.layer(pattern + r"\.(conv[12])", rf"{path}/\{group}"),
        *rules.layer(pattern + r"\.conv_shortcut", f"{path}/shortcut", dense_from_conv),
    ]


RULES: tuple[Rule, ...] = (
    *rules.layer(_PART + r"(conv_in|conv_out)", r"\1/\2"),
    *rules.norm(_PART + r"conv_norm_out", r"\1/norm_out"),
    *_residual(_PART + r"(down|up)_blocks\.(\d)\.resnets\.(\d)", r"\1/\2_\3_resnet_\4", 5),
    *rules.layer(_PART + r"down_blocks\.(\d)\.downsamplers\.0\.conv", r"\1/down_\2_downsample"),
    *rules.layer(_PART + r"up_blocks\.(\d)\.upsamplers\.0\.conv", r"\1/up_\2_upsample"),
    *_residual(_PART + r"mid_block\.resnets\.(\d)", r"\1/mid/resnet_\2", 3),
    *rules.norm(_PART + r"mid_block\.attentions\.0\.group_norm", r"\1/mid/attention/norm"),
    *rules.layer(_PART + r"mid_block\.attentions\.0\.(to_[qkv])", r"\1/mid/attention/\2", dense),
    *rules.layer(_PART + r"mid_block\.attentions\.0\.to_out\.0", r"\1/mid/attention/to_out", dense),
)

TERMS = "Stability AI Community License"

ARCHITECTURES: dict[str, Architecture] = {
    "sd3-vae": Architecture(
        ("sd3-vae",),
        r"encoder\.down_blocks\.0\.resnets\.0\.conv1\.weight",
        RULES,
        lambda config: (),
        TERMS,
    ),
}
