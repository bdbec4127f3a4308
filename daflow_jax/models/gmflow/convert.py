"""Names of the released GMFlow checkpoints with refinement to our paths."""

from daflow_jax.convert import rules
from daflow_jax.convert.architecture import Architecture
from daflow_jax.convert.engine import Rule, conv, dense

_BLOCK = r"transformer\.layers\.(\d)\."
_SELF, _CROSS = _BLOCK + r"self_attn\.", _BLOCK + r"cross_attn_ffn\."

RULES: tuple[Rule, ...] = (
    *rules.layer(r"backbone\.(conv[12])", r"backbone/\1"),
    *rules.layer(r"backbone\.(layer\d)\.(\d)\.(conv\d)", r"backbone/\1_\2/\3"),
    *rules.layer(r"backbone\.(layer\d)\.(\d)\.downsample\.0", r"backbone/\1_\2/downsample"),
    (r"backbone\.trident_conv\.weight", "params/backbone/trident/kernel", conv),
    *rules.layer(_SELF + r"(\w_proj|merge)", r"transformer/block\1_self/\2", dense),
    *rules.norm(_SELF + r"(norm1)", r"transformer/block\1_self/\2"),
    *rules.layer(_CROSS + r"(\w_proj|merge)", r"transformer/block\1_cross/\2", dense),
    *rules.layer(_CROSS + r"mlp\.0", r"transformer/block\1_cross/mlp1", dense),
    *rules.layer(_CROSS + r"mlp\.2", r"transformer/block\1_cross/mlp2", dense),
    *rules.norm(_CROSS + r"(norm[12])", r"transformer/block\1_cross/\2"),
    *rules.layer(r"feature_flow_attn\.([qk]_proj)", r"\1", dense),
    *rules.layer(r"upsampler\.0", "upsample1"),
    *rules.layer(r"upsampler\.2", "upsample2"),
)

ARCHITECTURES: dict[str, Architecture] = {
    "gmflow": Architecture(
        ("gmflow",),
        r"feature_flow_attn\.q_proj\.weight",
        RULES,
        lambda config: (),
        "code Apache-2.0 (Haofei Xu); no licence of its own is stated for the weights",
    ),
}
