import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.convert import engine
from daflow_jax.nn import dpt
from tests.golden import weights
from tests.models import backbone_golden as golden


def _pair(pattern, path, layout=engine.conv):
    return [
        (pattern + r"\.weight", f"params/{path}/kernel", layout),
        (pattern + r"\.bias", f"params/{path}/bias", engine.same),
    ]


RULES = [
    (r"norm\.weight", "params/norm/scale", engine.same),
    (r"norm\.bias", "params/norm/bias", engine.same),
    *_pair(r"projects\.(\d)", r"project_\1", engine.dense_from_conv),
    *_pair(r"resize_layers\.(3)", r"resize_\1"),  # overridden below where it is transposed
    *_pair(r"scratch\.(layer\d_rn)", r"\1"),
    *_pair(r"scratch\.(refinenet\d)\.out_conv", r"\1/out_conv", engine.dense_from_conv),
    *_pair(r"scratch\.(refinenet\d)\.resConfUnit(\d)\.(conv\d)", r"\1/unit\2/\3"),
    *_pair(r"scratch\.output_conv1", "output_conv"),
]


def _transposed(x):
    """(in, out, kh, kw) -> (in, kh, kw, out)."""
    return x.transpose(0, 2, 3, 1)


def _rules(config):
    up = "".join(str(i) for i, factor in enumerate(config.resize) if factor > 1)
    upsampling = _pair(rf"resize_layers\.([{up}])", r"resize_\1", _transposed) if up else []
    return upsampling + RULES


def _run(config, state, levels, grid):
    module = dpt.DPTHead(config)
    target = golden.shapes(module, levels, grid=grid)
    converted = engine.convert(state, _rules(config), target)
    variables = engine.unflatten(converted.parameters)
    return golden.jit(lambda v, x: module.apply(v, x, grid))(variables, levels)


VARIANTS = {
    "r2211_noup": dict(resize=(2, 2, 1, 1)),
    "r1122_up2": dict(resize=(1, 1, 2, 2), double_last=True),
    "r1122_up1": dict(resize=(1, 1, 2, 2), output=1),
    "r1111_up2": dict(resize=(1, 1, 1, 1), double_last=True),
    "r4211_stock_up2_to_H8": dict(resize=(4, 2, 1, 0.5), double_last=True),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("variant", VARIANTS)
def test_head_equals_published(seed, variant):
    file, arrays = golden.names(f"dpt_tiny_{golden.SETS[seed]}"), golden.arrays(f"dpt_s{seed}")
    sizes = file["config"]
    config = dpt.DPTConfig(
        features=sizes["features"],
        channels=tuple(sizes["out_channels"]),
        position="both",
        **VARIANTS[variant],
    )
    state = weights.state_dict(dict(file["heads"][variant]["params"]), seed)
    levels = tuple(jnp.asarray(arrays[f"feat{i}"]) for i in range(4))
    out = _run(config, state, levels, tuple(file["grid"]))
    golden.close(out, golden.nhwc(arrays[f"{variant}.out"]), 2e-5)


def test_full_size_head_equals_published():
    file, arrays = golden.names("flow_dpt_x2_full"), golden.arrays("flow_dpt_full_s0")
    state = weights.state_dict(dict(file["params"]), 0)
    levels = tuple(
        jnp.asarray(weights.normal(f"input.dptfull.f{i}", (1, 3, 4, 1536), 0).reshape(1, 12, -1))
        for i in range(4)
    )
    out = _run(dpt.DPTConfig(position="both"), state, levels, (3, 4))
    golden.close(out, golden.nhwc(arrays["out"]), 2e-5)


def test_position_map_equals_published():
    arrays = golden.arrays("dpt_s0")
    for name, grid, aspect in (("pos.only", (4, 4), 1.0), ("pos.only_aspect2", (5, 3), 2.0)):
        want = golden.nhwc(arrays[name])[0]
        np.testing.assert_allclose(
            0.1 * dpt.position_map(grid, want.shape[-1], aspect), want, atol=2e-7
        )


def test_head_with_zero_last_convolution_returns_zeros():
    config = dpt.DPTConfig(features=8, channels=(8, 8, 8, 8), zero_last=True)
    levels = tuple(jnp.ones((2, 12, 6)) * i for i in range(4))
    module = dpt.DPTHead(config)
    out, _ = golden.jit(lambda x: module.init_with_output(jax.random.key(0), x, (3, 4)))(levels)
    assert out.shape == (2, 6, 8, 8)
    assert not np.any(out)
