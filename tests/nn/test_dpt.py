import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.models.daflow import dpt
from tests.models import backbone_golden as golden


def test_head_with_zero_last_convolution_returns_zeros():
    config = dpt.DPTConfig(features=8, channels=(8, 8, 8, 8), zero_last=True)
    levels = tuple(jnp.ones((2, 12, 6)) * i for i in range(4))
    module = dpt.DPTHead(config)
    out, _ = golden.jit(lambda x: module.init_with_output(jax.random.key(0), x, (3, 4)))(levels)
    assert out.shape == (2, 6, 8, 8)
    assert not np.any(out)
