"""Names of FlowNet2's PyTorch checkpoints of FlowNetS and FlowNetC to our paths."""

from daflow_jax.convert import rules
from daflow_jax.convert.architecture import Architecture
from daflow_jax.convert.engine import Rule
from daflow_jax.nn.deconv import from_torch

RULES: tuple[Rule, ...] = (
    *rules.layer(r"(conv[123])\.0", r"stem/\1"),
    *rules.layer(r"(conv(?:[3-6]_1|[456]))\.0", r"body/\1"),
    *rules.layer(r"conv_redir\.0", "matching/redirect"),
    *rules.layer(r"(predict_flow[2-6])", r"decoder/\1"),
    *rules.layer(r"(deconv[2-5])\.0", r"decoder/\1", from_torch),
    *rules.layer(r"upsampled_flow([3-6])_to_[2-5]", r"decoder/upsample\1", from_torch),
)
_TERMS = "weights of FlowNet 2.0 (University of Freiburg; conversion by NVIDIA): research only"

ARCHITECTURES: dict[str, Architecture] = {
    "flownet-c": Architecture(
        ("flownet-c",), r"conv_redir\.0\.weight", RULES, lambda config: (), _TERMS
    ),
    "flownet-s": Architecture(
        ("flownet-s",), r"upsampled_flow6_to_5\.weight", RULES, lambda config: (), _TERMS
    ),
}
