import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.models.daflow import dpt, vggt
from tests.models import backbone_golden as golden
from tests.models import parity_parts


@pytest.mark.parametrize(
    "module, name, count",
    [
        (vggt.VGGTHead(vggt.POINT), "point", 32_654_628),
        (dpt.DPTHead(vggt.TRACK), "track", 22_834_048),
    ],
    ids=["point", "track"],
)
def test_head_has_the_published_size_and_takes_its_file(module, name, count, monkeypatch):
    file = golden.names(f"vggt_dpt_{name}_full")
    levels = (jax.ShapeDtypeStruct((1, 6, file["config"]["dim_in"]), jnp.float32),) * 4
    monkeypatch.setattr(parity_parts.weights, "state_dict", _zeros)
    variables = parity_parts.head_variables(module, file["params"], 0, levels, (2, 3))
    assert sum(np.size(x) for x in jax.tree.leaves(variables)) == count


def _zeros(params, seed):
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in params.items()}


@pytest.mark.slow
def test_depth_is_positive_and_points_have_both_signs():
    levels = tuple(jax.random.normal(jax.random.key(i), (1, 6, 8)) for i in range(4))
    for config, both in ((vggt.POINT, True), (vggt.DEPTH, False)):
        trunk = dataclasses.replace(
            config.trunk, features=8, channels=(8, 8, 8, 8), output_features=8
        )
        module = vggt.VGGTHead(dataclasses.replace(config, trunk=trunk))
        run = golden.jit(lambda x, m=module: m.init_with_output(jax.random.key(0), x, (2, 3))[0])
        values, confidence = run(levels)
        assert values.shape == (1, 28, 42, config.outputs) and confidence.shape == (1, 28, 42)
        assert confidence.min() >= 1 and bool((values < 0).any()) == both
