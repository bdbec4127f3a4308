"""Names of the released PWC-Net checkpoints to our paths."""

from daflow_jax.convert import rules
from daflow_jax.convert.architecture import Architecture
from daflow_jax.convert.engine import Ignored, Rule
from daflow_jax.nn.deconv import from_torch

RULES: tuple[Rule, ...] = (
    *rules.layer(r"(conv[1-5]a?[ab])\.0", r"pyramid/\1"),
    *rules.layer(r"conv6aa\.0", "pyramid/conv6a"),  # the released code has the first two swapped
    *rules.layer(r"conv6a\.0", "pyramid/conv6aa"),
    *rules.layer(r"(conv6b)\.0", r"pyramid/\1"),
    *rules.layer(r"conv([2-6])_(\d)\.0", r"level\1/conv\2"),
    *rules.layer(r"predict_flow([2-6])", r"level\1/predict_flow"),
    *rules.layer(r"deconv([3-6])", r"level\1/deconv", from_torch),
    *rules.layer(r"upfeat([3-6])", r"level\1/upfeat", from_torch),
    *rules.layer(r"dc_conv([1-6])\.0", r"context/conv\1"),
    *rules.layer(r"dc_conv(7)", r"context/conv\1"),
)
IGNORED: tuple[Ignored, ...] = ((r"deconv2\.(weight|bias)", "a layer that the network never runs"),)

ARCHITECTURES: dict[str, Architecture] = {
    "pwcnet": Architecture(
        ("pwcnet",),
        r"dc_conv7\.weight",
        RULES,
        lambda config: IGNORED,
        "code and weights CC BY-NC-SA 4.0 (NVIDIA): not for commercial use",
    ),
}
