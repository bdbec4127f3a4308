"""One linear layer from frozen features to classes, at pixels."""

import functools

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

STEPS, RATE, FRAMES = 300, 1e-2, 40  # [choice] of Adam; frames of one step


def train(
    features: Float[Array, "n gh gw c"],
    classes: Int[Array, "n h w"],
    count: int,
    seed: int = 0,
    steps: int = STEPS,
) -> dict[str, Array]:
    """Returns the layer after `steps` of Adam on the cross-entropy of all known pixels.

    Features are standardised by channel first. Logits are brought to pixels, not features: both
    are the same for a linear layer and bilinear weights, which sum to 1.
    """
    flat = features.reshape(-1, features.shape[-1])
    spread = jnp.std(flat, 0)
    scale = {"mean": jnp.mean(flat, 0), "deviation": jnp.where(spread > 1e-6, spread, 1.0)}
    learned = {
        "kernel": jnp.zeros((features.shape[-1], count)),
        "bias": jnp.zeros(count),
    }
    few = min(FRAMES, len(features))
    order = [jax.random.permutation(jax.random.key(seed + k), len(features)) for k in range(steps)]
    chosen = jnp.stack([one[:few] for one in order])
    return scale | _descend(learned, scale, features, classes, chosen)


@jax.jit
def _descend(learned, scale, features, classes, chosen):
    adam = optax.adam(RATE)

    def loss(learned, rows):
        own = classes[rows]
        scores = logits(scale | learned, features[rows], own.shape[1:])
        known = own >= 0
        errors = optax.softmax_cross_entropy_with_integer_labels(scores, jnp.maximum(own, 0))
        return jnp.sum(jnp.where(known, errors, 0)) / jnp.maximum(jnp.sum(known), 1)

    def step(carry, rows):
        learned, state = carry
        update, state = adam.update(jax.grad(loss)(learned, rows), state)
        return (optax.apply_updates(learned, update), state), None

    return jax.lax.scan(step, (learned, adam.init(learned)), chosen)[0][0]


def logits(
    layer: dict[str, Array], features: Float[Array, "n gh gw c"], size: tuple[int, int]
) -> Float[Array, "n {size[0]} {size[1]} k"]:
    """Returns the layer's scores at pixels."""
    x = (features - layer["mean"]) / layer["deviation"]
    scores = x @ layer["kernel"] + layer["bias"]
    return jax.image.resize(scores, (len(x), *size, scores.shape[-1]), "linear")


@functools.partial(jax.jit, static_argnums=2)
def predict(
    layer: dict[str, Array], features: Float[Array, "n gh gw c"], size: tuple[int, int]
) -> Int[Array, "n h w"]:
    """Returns the class of every pixel."""
    return jnp.argmax(logits(layer, features, size), -1)
