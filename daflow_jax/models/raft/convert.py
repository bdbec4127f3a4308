"""Names of the released RAFT checkpoints to our paths.

torchvision's checkpoints hold the same networks (its weights expect frames in [-1, 1], which is
what ours makes of [0, 1]) under names of their own; the second half of the table is theirs.
"""

from daflow_jax.convert import rules
from daflow_jax.convert.architecture import Architecture, Written
from daflow_jax.convert.engine import Ignored, Rule

_GRU = r"update_block\.gru\."
_UPDATE = r"update_block\."
_NET = r"(fnet|cnet)\."

_FLOW_HEAD = rules.layer(_UPDATE + r"flow_head\.(conv[12])", r"update/flow_head/\1")  # both say so

_RELEASED: tuple[Rule, ...] = (
    *rules.layer(_NET + r"(conv[12])", r"\1/\2"),
    *rules.layer(_NET + r"(layer\d)\.(\d)\.(conv\d)", r"\1/\2_\3/\4"),
    *rules.layer(_NET + r"(layer\d)\.(\d)\.downsample\.0", r"\1/\2_\3/downsample"),
    *rules.batch_norm(_NET + r"(norm1)", r"\1/\2"),
    # One module under two names: norm3 (norm4 in bottlenecks) is downsample.1.
    *rules.batch_norm(
        _NET + r"(layer\d)\.0\.(?:downsample\.1|norm3|norm4)", r"\1/\2_0/downsample_norm"
    ),
    *rules.batch_norm(_NET + r"(layer\d)\.(\d)\.(norm[12])", r"\1/\2_\3/\4"),
    *rules.layer(_UPDATE + r"encoder\.(conv\w*)", r"update/encoder/\1"),
    *rules.layer(_GRU + r"(conv[zrq])([12])", r"update/gru\2/\1\2"),
    *rules.layer(_GRU + r"(conv[zrq])", r"update/gru/\1"),
    *_FLOW_HEAD,
    *rules.layer(_UPDATE + r"mask\.0", "update/mask_head/conv1"),
    *rules.layer(_UPDATE + r"mask\.2", "update/mask_head/conv2"),
)

_ENCODER = {"fnet": r"feature_encoder\.", "cnet": r"context_encoder\."}
_MOTION = r"update_block\.motion_encoder\."
_RECURRENT = r"update_block\.recurrent_block\."


def _torchvision_encoder(net: str, prefix: str) -> list[Rule]:
    """Returns the rules of one of torchvision's encoders."""
    block, ours = prefix + r"(layer\d)\.(\d)\.", rf"{net}/\1_\2"
    first = prefix + r"(layer\d)\.(0)\."  # only the first block of a stage changes the size
    return [
        *rules.layer(prefix + r"convnormrelu\.0", f"{net}/conv1"),
        *rules.batch_norm(prefix + r"convnormrelu\.1", f"{net}/norm1"),
        *rules.layer(prefix + r"conv", f"{net}/conv2"),
        *rules.layer(block + r"convnormrelu(\d)\.0", ours + r"/conv\3"),
        *rules.batch_norm(block + r"convnormrelu(\d)\.1", ours + r"/norm\3"),
        *rules.layer(first + r"downsample\.0", f"{ours}/downsample"),
        *rules.batch_norm(first + r"downsample\.1", f"{ours}/downsample_norm"),
    ]


_TORCHVISION: tuple[Rule, ...] = (
    *(rule for net, prefix in _ENCODER.items() for rule in _torchvision_encoder(net, prefix)),
    *rules.layer(_MOTION + r"convcorr(\d)\.0", r"update/encoder/convc\1"),
    *rules.layer(_MOTION + r"convflow(\d)\.0", r"update/encoder/convf\1"),
    *rules.layer(_MOTION + r"conv\.0", "update/encoder/conv"),
    *rules.layer(r"mask_predictor\.convrelu\.0", "update/mask_head/conv1"),
    *rules.layer(r"mask_predictor\.conv", "update/mask_head/conv2"),
)

# torchvision numbers RAFT-small's only pass too
_TORCHVISION_LARGE: tuple[Rule, ...] = (
    *(*_TORCHVISION, *_FLOW_HEAD),
    *rules.layer(_RECURRENT + r"convgru(\d)\.(conv[zrq])", r"update/gru\1/\2\1"),
)
_TORCHVISION_SMALL: tuple[Rule, ...] = (
    *(*_TORCHVISION, *_FLOW_HEAD),
    *rules.layer(_RECURRENT + r"convgru1\.(conv[zrq])", r"update/gru/\1"),
)

RULES: tuple[Rule, ...] = (*_RELEASED, *_TORCHVISION_LARGE)
SMALL_RULES: tuple[Rule, ...] = (*_RELEASED, *_TORCHVISION_SMALL)

IGNORED: tuple[Ignored, ...] = (rules.COUNTERS,)

_TERMS = (
    "RAFT's code is BSD-3-Clause (Princeton Vision & Learning Lab); no licence of its own is "
    "stated for the weights, which were trained on FlyingChairs, FlyingThings3D, Sintel, KITTI and "
    "HD1K (as the file's name says), some of them for research only"
)

_LOAD = """\
\"\"\"Loads the weights into torchvision's network; needs torchvision and safetensors.\"\"\"

import safetensors.torch
import torchvision

model = torchvision.models.optical_flow.{name}()
model.load_state_dict(safetensors.torch.load_file("{name}.safetensors"))
flow = model.eval()  # flow(2 * frame1 - 1, 2 * frame2 - 1)[-1]: (b, 2, h, w) of (b, 3, h, w)
"""


_NO_MIXTURE = (r"params/update/info_head/.*", "the uncertainty, which torchvision does not predict")


def _torchvision(table: tuple[Rule, ...], name: str) -> dict[str, Written]:
    return {"torchvision": Written(table, name, _LOAD.format(name=name), (_NO_MIXTURE,))}


ARCHITECTURES: dict[str, Architecture] = {
    "raft": Architecture(
        ("raft",),
        r"update_block\.(gru\.convz2|recurrent_block\.convgru2\.convz)\.weight",
        RULES,
        lambda config: IGNORED,
        _TERMS,
        writes=_torchvision(_TORCHVISION_LARGE, "raft_large"),
    ),
    "raft-small": Architecture(
        ("raft-small",),
        r"update_block\.(gru\.convz|recurrent_block\.convgru1\.convz)\.weight",
        SMALL_RULES,
        lambda config: IGNORED,
        _TERMS,
        writes=_torchvision(_TORCHVISION_SMALL, "raft_small"),
    ),
}
