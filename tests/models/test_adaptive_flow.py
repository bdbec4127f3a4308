"""Two sets of weights and the share between them: ends, middle, batches, what is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, models
from daflow_jax.models import calls
from daflow_jax.models.adaptive_flow import entry
from daflow_jax.models.adaptive_flow.config import AdaptiveFlowConfig
from daflow_jax.models.raft.config import RAFTConfig

TINY = RAFTConfig(
    small=True, widths=(8, 8, 8, 8), features=16, hidden=8, context=8, levels=2, radius=1
)
CONFIG = AdaptiveFlowConfig(TINY, widths=(4, 4))
OPTIONS = dict(iters=2, all_iterations=True)


@pytest.fixture(scope="module")
def network():
    module = models.build(CONFIG)
    variables = calls.init(module, jax.random.key(0))
    frames = jax.random.uniform(jax.random.key(1), (3, 2, 128, 128, 3))
    return module, variables, frames


def _with_share(variables, logit):
    """Returns the variables with a gate that says `logit` of every clip."""
    gate = jax.tree.map(jnp.zeros_like, variables["params"]["gate"])
    gate["logit"]["bias"] = jnp.full((1,), float(logit))
    return {"params": {**variables["params"], "gate": gate}}


@pytest.mark.parametrize(("logit", "share"), [(-40, 0.0), (40, 1.0), (0, 0.5)])
def test_the_flow_is_that_of_the_blended_weights(network, logit, share):
    module, variables, frames = network
    out = module.apply(_with_share(variables, logit), frames[:1], **OPTIONS)
    params = variables["params"]
    weights = jax.tree.map(
        lambda a, b: (1 - share) * a + share * b, params["clean"], params["degraded"]
    )
    plain = models.build(TINY).apply({"params": weights}, frames[:1], **OPTIONS)
    assert float(jnp.abs(plain.flows).max()) > 0.01
    np.testing.assert_allclose(out.flows, plain.flows, atol=2e-5)
    np.testing.assert_allclose(out.low, plain.low, atol=2e-5)


def test_every_clip_of_a_batch_has_a_share_of_its_own(network):
    module, variables, frames = network
    frames = frames.at[1].multiply(0.1)
    start = 0.1 * jax.random.normal(jax.random.key(2), (3, 1, 16, 16, 2))
    apply = jax.jit(lambda clips, start: module.apply(variables, clips, init_flow=start, **OPTIONS))
    logits = module.apply(variables, frames, method="degradation")
    assert len(set(np.round(np.asarray(logits), 4))) == 3
    together = apply(frames, start)
    assert together.flows.shape == (2, 3, 1, 128, 128, 2)
    for number in range(3):
        here = slice(number, number + 1)
        alone = apply(frames[here], start[here])
        np.testing.assert_allclose(together.flows[:, here], alone.flows, atol=1e-5)
        np.testing.assert_allclose(together.low[here], alone.low, atol=1e-5)


def test_a_network_that_does_not_refine_is_refused():
    config = dataclasses.replace(CONFIG, flow=models.preset("pwcnet"))
    with pytest.raises(errors.UserError, match="a pwcnet network is no flow network that refines"):
        entry.check_call(config, {})
