"""The refinement loop against the plain form: unrolled, differentiated by JAX alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.models.raft import refine
from daflow_jax.nn import loop
from daflow_jax.ops import correlation

ITERS = 2


def _setup(small, spare):
    keys = jax.random.split(jax.random.key(0), 4)
    f1, f2 = (jax.random.normal(k, (2, 16, 18, 8)) for k in keys[:2])
    corr = correlation.pyramid(f1, f2, 4, spare)
    net, context = (jax.random.normal(k, (2, 16, 18, 8)) for k in keys[2:])
    lookup = "gather" if spare else "matmul"
    module = refine.Refiner(8, 8, 4, 2, small, lookup)
    flow = jax.random.normal(keys[0], (2, 16, 18, 2))
    variables = module.init(jax.random.key(1), corr, net, context, flow, 1)
    return module, variables, corr, (net, context, flow)


def _unrolled(plan, kernels, corr, terms, state):
    states = []
    for _ in range(plan.iters):
        state = plan.step(loop.Tape(kernels), corr, terms, state)
        states.append(state)
    return jax.tree.map(lambda *xs: jnp.stack(xs), *states)


@pytest.mark.slow  # tests/train/test_raft_step.py passes through the same gradients
@pytest.mark.parametrize("small, spare", [(False, correlation.SPARE), (True, 0)])
def test_values_and_gradients_equal_the_unrolled_loop(monkeypatch, small, spare):
    module, variables, corr, (net, context, flow) = _setup(small, spare)

    def loss(variables, corr, net, context):
        flows, *_ = module.apply(variables, corr, net, context, flow, ITERS, True)
        weights = 0.8 ** jnp.arange(ITERS)[::-1].reshape(ITERS, 1, 1, 1, 1)
        return jnp.sum(weights * jnp.sin(flows))

    grad = lambda: jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3)))(  # noqa: E731
        variables, corr, net, context
    )
    ours = grad()
    monkeypatch.setattr(loop, "refine_scan", _unrolled)
    plain = grad()
    assert float(ours[0]) == pytest.approx(float(plain[0]), rel=1e-5)
    for a, b in zip(jax.tree.leaves(ours[1]), jax.tree.leaves(plain[1])):
        assert np.abs(a - b).max() <= 2e-5 * max(float(np.abs(b).max()), 1e-3)
