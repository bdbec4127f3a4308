"""AdamW and clipping against the formulas, written out in NumPy."""

import jax.numpy as jnp
import numpy as np

from daflow_jax.train import optimizer


def _numpy_step(p, g, m, v, step, c):
    norm = np.sqrt(sum((x**2).sum() for x in g))
    g = [x * min(1.0, c.clip_norm / (norm + 1e-6)) for x in g]
    m = [c.beta1 * a + (1 - c.beta1) * x for a, x in zip(m, g, strict=True)]
    v = [c.beta2 * a + (1 - c.beta2) * x**2 for a, x in zip(v, g, strict=True)]
    out = []
    for q, a, b in zip(p, m, v, strict=True):
        direction = (a / (1 - c.beta1**step)) / (np.sqrt(b / (1 - c.beta2**step)) + c.eps)
        out.append(q - c.lr * (direction + c.weight_decay * q))
    return out, m, v


def test_two_updates_equal_the_formulas_with_and_without_clipping():
    config = optimizer.OptimizerConfig(
        lr=0.1, schedule="constant", weight_decay=0.01, clip_norm=1.0
    )
    opt = optimizer.make_optimizer(config, 10)
    rng = np.random.default_rng(0)
    p = [rng.normal(size=s) for s in ((3, 2), (4,))]
    ours, state_ = [jnp.asarray(x, jnp.float32) for x in p], None
    state_, m, v = opt.tx.init(ours), [np.zeros_like(x) for x in p], [np.zeros_like(x) for x in p]
    for step, size in ((1, 10.0), (2, 0.01)):
        g = [size * rng.normal(size=x.shape) for x in p]
        p, m, v = _numpy_step(p, g, m, v, step, config)
        direction, state_ = opt.tx.update([jnp.asarray(x, jnp.float32) for x in g], state_, ours)
        ours = [x - opt.rate(step) * d for x, d in zip(ours, direction, strict=True)]
        for a, b in zip(ours, p, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)
