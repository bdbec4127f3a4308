import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.ops import blocks


def test_blocks_of_rows_give_the_values_and_gradients_of_all_at_once():
    keys = jax.random.split(jax.random.key(0))
    x, kernel = jax.random.normal(keys[0], (7, 5)), jax.random.normal(keys[1], (5, 4))

    def loss(x, kernel, block):
        rows = {"x": x, "scale": jnp.arange(7.0)}

        def one(rows):
            return jnp.exp(rows["x"] @ kernel) * rows["scale"][:, None]

        return blocks.by_blocks(one, rows, block).sum()

    grad = jax.jit(jax.value_and_grad(loss, (0, 1)), static_argnums=2)
    want = grad(x, kernel, 7)
    for block in (1, 3, 6):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-6), grad(x, kernel, block), want
        )


def test_a_block_holds_no_more_rows_than_asked_for():
    seen = []

    def one(rows):
        seen.append(len(rows))
        return rows

    jax.jit(lambda x: blocks.by_blocks(one, x, 3))(jnp.zeros((7, 2)))
    assert 3 in seen and set(seen) <= {3, 7}
