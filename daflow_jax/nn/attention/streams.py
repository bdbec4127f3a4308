"""Joint attention over the streams of a clip, on one device or with tokens and heads on a mesh."""

import functools
from collections.abc import Sequence
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from daflow_jax.nn.attention import groups, one_device, splash
from daflow_jax.nn.attention.exchange import Exchange
from daflow_jax.sharding import axes


class Part(NamedTuple):
    """One stream. Without queries it is attended to, but attends to nothing itself."""

    query: Float[Array, "b f n h d"] | None
    key: Float[Array, "b f n h d"]
    value: Float[Array, "b f n h d"]


def joint(
    images: Sequence[Part],
    text: Part | None = None,
    *,
    folds: bool = False,
    implementation: str = "auto",
) -> list[Float[Array, "b f n h d"]]:
    """Returns the attended tokens of every stream with queries: one softmax over all streams.

    With `folds` the frames of a clip form one sequence (DA-Flow, eq. 9-10), else each frame is one.
    Folded text may come as one copy, (b, 1, n, h, d), that counts as one for every frame.

    Where the ambient mesh has several devices, each attends for its share of clips and heads; the
    image tokens lie split over the axes of "tokens" if these divide them, see `Exchange`.
    """
    name = one_device.choose(implementation, images[0].key)
    run = functools.partial(_attend, folds=folds, implementation=name)
    mesh, shape = axes.mesh(), images[0].key.shape
    if mesh is None or mesh.size == 1:
        return run((list(images), text), exchange=Exchange())
    place = axes.spec(shape, ("batch", "frames", "tokens", "heads", "head_dim"))
    whole = PartitionSpec(*place[:2], None, *place[3:])  # text is short: every device has it all
    over = tuple(axis for axis in axes.RULES["tokens"] if mesh.shape.get(axis, 1) > 1)
    heads = shape[3] // (1 if place[3] is None else axes.size("heads"))
    by_heads = bool(over) and heads % axes.size("tokens") == 0
    run = functools.partial(run, exchange=Exchange(over, place[2] is not None, by_heads))
    places = [place] * len(images)
    if text is not None and text.query is not None:
        places.append(whole)
    sharded = jax.shard_map(run, in_specs=((place, whole),), out_specs=places, check_vma=False)
    return sharded((list(images), text))


def merge_frames(x: Float[Array, "b f n *c"]) -> Float[Array, "b f*n *c"]:
    """Returns the tokens of all frames as one sequence, frame by frame (DA-Flow, sec. 4.2)."""
    return x.reshape(x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:])


def _as_batch(x: Array) -> Array:
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def _attend(
    parts: tuple[list[Part], Part | None], *, folds: bool, implementation: str, exchange: Exchange
) -> list[Array]:
    """Attends on one device, for its share."""
    run = functools.partial(_at_once, folds=folds, implementation=implementation, exchange=exchange)
    if implementation != "splash":  # the others pad nothing
        return run(parts)
    images, text = parts
    tokens = exchange.tokens(sum(x.key.shape[1] * x.key.shape[2] for x in images))
    if text is not None:
        tokens += text.key.shape[1] * text.key.shape[2]
    count = splash.groups(tokens, exchange.heads(images[0].key.shape[3]))
    return run(parts) if count == 1 else groups.one_by_one(run, count, parts)


def _at_once(
    parts: tuple[list[Part], Part | None], *, folds: bool, implementation: str, exchange: Exchange
) -> list[Array]:
    images, text = parts
    group = merge_frames if folds else _as_batch

    def pieces(kind: str, move) -> list[Array]:
        of_images = jnp.concatenate([group(getattr(x, kind)) for x in images], 1)
        moved = [move(of_images, exchange.split)]
        if text is not None and getattr(text, kind) is not None:
            moved.append(move(group(getattr(text, kind)), False))
        return moved

    queries = pieces("query", exchange.queries)
    key, value = (jnp.concatenate(pieces(kind, exchange.keys), 1) for kind in ("key", "value"))
    out = one_device.attend(
        jnp.concatenate(queries, 1),
        key,
        value,
        tail=_tail(images, text) if folds else (0, 1),
        implementation=implementation,
    )
    own = queries[0].shape[1]
    outs = jnp.split(exchange.back(out[:, :own], exchange.split), len(images), axis=1)
    asking = list(images)
    if len(queries) > 1:
        outs.append(exchange.back(out[:, own:], False))
        asking.append(cast(Part, text))
    shapes = [cast(Array, x.query).shape for x in asking]
    return [x.reshape(shape) for x, shape in zip(outs, shapes, strict=True)]


def _tail(images: list[Part], text: Part | None) -> tuple[int, int]:
    """Returns how many keys of text stand at the end, and how often each counts."""
    if text is None:
        return 0, 1
    copies, length = text.key.shape[1:3]
    return copies * length, images[0].key.shape[1] // copies
