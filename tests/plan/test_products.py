"""Multiply-adds of what a GPU's compiler makes of products: calls of cuBLAS and cuDNN."""

import jax
import jax.numpy as jnp
import pytest

from daflow_jax.plan import gpus, hlo
from daflow_jax.profiling import flops

GEMM = (
    '"gemm_backend_config":{"beta":0,"dot_dimension_numbers":{"lhs_contracting_dimensions":["2"],'
    '"rhs_contracting_dimensions":["2"],"lhs_batch_dimensions":["0"]}}'
)
LOGITS = '"intermediate_tensor_shape": {"element_type": "BF16", "dimensions": ["1","4","388","396"]'
WINDOW = "window={size=3x3 stride=2x2 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f"


def program(result: str, operands: list[str], target: str, attributes: str) -> hlo.Program:
    names = [f"%p{i}" for i in range(len(operands))]
    lines = [
        f"  {name} = {operand} parameter({i})"
        for i, (name, operand) in enumerate(zip(names, operands, strict=True))
    ]
    call = f'custom-call({", ".join(names)}), {attributes}, custom_call_target="{target}"'
    lines.append(f"  ROOT %call = ({result}, u8[0]{{0}}) {call}")
    return hlo.Program("\n".join(["ENTRY %main (p: f32[]) -> f32[] {", *lines, "}"]))


def convolution(x, kernel):
    numbers = ("NHWC", "OHWI", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (2, 2), [(1, 1), (1, 1)], dimension_numbers=numbers
    )


@pytest.mark.parametrize(
    ("target", "operands", "result"),
    [
        ("convForward", ["x", "k"], "y"),
        ("convBiasActivationForward", ["x", "k", "b"], "y"),
        ("convBackwardInput", ["y", "k"], "x"),
        ("convBackwardFilter", ["x", "y"], "k"),
    ],
)
def test_convolutions_of_cudnn_count_as_the_traced_one(target, operands, result):
    shapes = {"x": (3, 17, 22, 8), "k": (16, 3, 3, 8), "y": (3, 9, 11, 16), "b": (16,)}
    text = {name: f"bf16[{','.join(map(str, shape))}]" for name, shape in shapes.items()}
    given = [text[name] for name in operands]
    found = program(text[result], given, f"__cudnn${target}", WINDOW).flops()
    x, kernel = (jnp.zeros(shapes[name]) for name in "xk")
    assert found == {"bf16": flops.count(convolution, x, kernel)}


def test_products_of_cublas_and_attention_of_cudnn():
    product = program("f32[4,256,128]", ["f32[4,256,512]", "f32[4,128,512]"], "__cublas$gemm", GEMM)
    assert product.flops() == {"f32": 2 * 4 * 256 * 128 * 512}
    q, k, y = "bf16[1,388,4,32]", "bf16[1,396,4,32]", "bf16[1,4,388,32]"
    forward = program(y, [q, k, k], "__cudnn$fmhaSoftmax", LOGITS).flops()["bf16"]
    assert forward == 2 * 2 * 4 * 388 * 396 * 32
    given = [q, k, k, "f32[1,4,388]", q, q]
    backward = program(y, given, "__cudnn$fmhaSoftmaxBackward", LOGITS).flops()["bf16"]
    assert backward == 2.5 * forward  # five products: the weights are made again
    with pytest.raises(ValueError, match="no shape of the logits"):
        program(y, [q, k, k], "__cudnn$fmhaSoftmax", WINDOW).flops()


def test_other_calls_are_no_products():
    assert program("f32[4,4]", ["f32[4,4]"], "cu_solver$cholesky", "x=1").flops() == {}


@pytest.mark.parametrize("name", gpus.GPUS)
def test_gpus_are_described_by_published_rates(name):
    text = gpus.target(name)
    assert f'"{gpus.GPUS[name].kind}"' in text and "{" + "gpu" not in text
    bandwidth = int(text.partition("memory_bandwidth: ")[2].split()[0])
    assert 2e12 < bandwidth < 8e12
    assert gpus.limit(name) == 0.75 * gpus.GPUS[name].memory
