"""torchvision's names of the RAFT networks lead to the same arrays as the authors'."""

import re

import jax
import numpy as np
import pytest

from daflow_jax.convert import engine
from daflow_jax.models.raft import convert
from tests.models import published_raft

RENAMED = (  # the authors' name -> torchvision's, as its own porting of the weights did it
    (r"fnet\.(.*)", r"feature_encoder.\1"),
    (r"cnet\.(.*)", r"context_encoder.\1"),
    (r"(\w+_encoder)\.conv1\.(\w+)", r"\1.convnormrelu.0.\2"),
    (r"(\w+_encoder)\.norm1\.(\w+)", r"\1.convnormrelu.1.\2"),
    (r"(\w+_encoder)\.conv2\.(\w+)", r"\1.conv.\2"),
    (r"(.*layer\d\.\d)\.conv(\d)\.(\w+)", r"\1.convnormrelu\2.0.\3"),
    (r"(.*layer\d\.\d)\.norm(\d)\.(\w+)", r"\1.convnormrelu\2.1.\3"),
    (r"(update_block)\.encoder\.convc(\d)\.(\w+)", r"\1.motion_encoder.convcorr\2.0.\3"),
    (r"(update_block)\.encoder\.convf(\d)\.(\w+)", r"\1.motion_encoder.convflow\2.0.\3"),
    (r"(update_block)\.encoder\.conv\.(\w+)", r"\1.motion_encoder.conv.0.\2"),
    (r"(update_block)\.gru\.(conv[zrq])(\d)\.(\w+)", r"\1.recurrent_block.convgru\3.\2.\4"),
    (r"(update_block)\.gru\.(conv[zrq])\.(\w+)", r"\1.recurrent_block.convgru1.\2.\3"),
    (r"update_block\.mask\.0\.(\w+)", r"mask_predictor.convrelu.0.\1"),
    (r"update_block\.mask\.2\.(\w+)", r"mask_predictor.conv.\1"),
)


def torchvision_name(name: str) -> str:
    for pattern, replacement in RENAMED:
        name = re.sub(f"^{pattern}$", replacement, name)
    return name


@pytest.mark.parametrize("name, entries", [("raft", 169), ("raft-small", 106)])
def test_torchvision_names_convert_to_the_same_arrays(name, entries):
    module, expected = published_raft.load(name, 0)
    state = published_raft.state_dict(name, 0)
    twins = published_raft.names(name).get("aliases", {})
    renamed = {torchvision_name(key): x for key, x in state.items() if key not in twins}
    assert len(renamed) == entries and not any(key.startswith(("fnet", "cnet")) for key in renamed)
    rules = convert.SMALL_RULES if name == "raft-small" else convert.RULES
    shapes = {path: leaf.shape for path, leaf in engine.flatten(expected).items()}
    converted = engine.convert(renamed, rules, shapes, convert.IGNORED)
    same = jax.tree.map(np.array_equal, engine.unflatten(converted.parameters), expected)
    assert all(jax.tree.leaves(same))
