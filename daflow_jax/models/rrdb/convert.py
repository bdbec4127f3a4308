"""Names of the published RRDB checkpoints to our paths: Real-ESRGAN's, and ESRGAN's older ones."""

from daflow_jax.convert import rules
from daflow_jax.convert.architecture import Architecture
from daflow_jax.convert.engine import Rule

_CONV = r"block\1/dense\2/conv\3"

RULES: tuple[Rule, ...] = (
    *rules.layer(r"(conv_first|conv_body|conv_up1|conv_up2|conv_hr|conv_last)", r"\1"),
    *rules.layer(r"body\.(\d+)\.rdb(\d)\.conv(\d)", _CONV),
    # The first release of ESRGAN.
    *rules.layer(r"RRDB_trunk\.(\d+)\.RDB(\d)\.conv(\d)", _CONV),
    *rules.layer(r"trunk_conv", "conv_body"),
    *rules.layer(r"upconv([12])", r"conv_up\1"),
    *rules.layer(r"HRconv", "conv_hr"),
)

ARCHITECTURES: dict[str, Architecture] = {
    "rrdb": Architecture(
        ("rrdb-x4plus", "rrdb-x4plus-6b"),
        r"(body\.0\.rdb1|RRDB_trunk\.0\.RDB1)\.conv1\.weight",
        RULES,
        lambda config: (),
        "Real-ESRGAN is BSD-3-Clause (Xintao Wang), ESRGAN Apache-2.0; no licence of its own is "
        "stated for the weights",
    ),
}
