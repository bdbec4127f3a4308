"""The accelerator form of the generator: pure jax.numpy with static shapes, for `vmap` over clips.

It draws the parameters that `host` draws and its flow agrees to a thousandth of a pixel; its pixels
do not (bilinear reading in float32, and motion blur by rendering at several instants).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.synthetic import motion, scene, shapes

_TAPS = 6  # instants of an exposure; each pixel shifts them a little, so that no copies show
_FAR = 1e3  # inside distance of a layer without outline


def clip(
    config: scene.SceneConfig,
    atlas: jax.Array | np.ndarray,
    seed: jax.Array | int,
    index: jax.Array | int,
    *,
    backward: bool = True,
) -> dict[str, jax.Array]:
    """Returns clip `index` of the stream `seed` in the keys and types of `host.clip`.

    `atlas` is what `textures.atlas` returns for the same configuration (uint8, (n, s, s, 3)).
    """
    drawn = scene.draw(config, seed, index, jnp)
    y, x = jnp.mgrid[: config.height, : config.width].astype(jnp.float32)
    u, v = _material(drawn.pose, x, y)  # (l, f, h, w)
    inside = _inside(drawn, u, v)
    order = jnp.arange(len(drawn.kind))[:, None, None, None]
    instances = jnp.where(inside > 0, order, 0).max(0).astype(jnp.int32)
    result = {
        "hq": _render(drawn, _pack(atlas), u, v, x, y),
        "instances": instances,
        "classes": drawn.kind[instances],
    }
    steps = config.frames - 1
    source, target = np.arange(steps), np.arange(1, config.frames)
    if backward:
        source, target = np.r_[source, target], np.r_[target, source]
    poses = motion.Pose(*(leaf[:, target] for leaf in drawn.pose))
    pair = functools.partial(_pair, config, drawn)  # one program for all pairs compiles faster
    ends, hidden = jax.vmap(pair, (1, 1, 1, 0))(
        poses, u[:, source], v[:, source], instances[source]
    )
    flows = ends - jnp.stack([x, y], -1)
    for suffix, part in (("", slice(0, steps)), ("_back", slice(steps, None)))[: 1 + backward]:
        result |= {
            "flow" + suffix: flows[part],
            "occlusion" + suffix: hidden[part],
            "valid" + suffix: jnp.ones_like(hidden[part]),
        }
    return result


def _material(pose: motion.Pose, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the material coordinates (l, f, h, w) of every layer in every frame."""
    one = jax.vmap(jax.vmap(lambda p: motion.material(p, x, y, jnp)))
    return one(pose)


def _inside(drawn: scene.Scene, u: jax.Array, v: jax.Array) -> jax.Array:
    """Returns the inside distance at material points (l, ..., h, w), layer by layer."""

    def one(kind, radius, p, u, v):
        plain = (shapes.blob, shapes.polygon, shapes.ring)
        chosen = shapes.lattice(u, v, radius, p, kind, jnp)
        for outline in plain:
            here = kind == shapes.NAMES.index(outline.__name__)
            chosen = jnp.where(here, outline(u, v, radius, p, jnp), chosen)
        return jnp.where(kind == 0, _FAR, chosen)

    distance = jax.vmap(one)(drawn.kind, drawn.radius, drawn.outline, u, v)
    hidden = ~drawn.active.reshape((-1,) + (1,) * (u.ndim - 1))
    return jnp.where(hidden, -_FAR, distance)


def _pack(atlas: jax.Array | np.ndarray) -> jax.Array:
    """Returns the atlas as uint32 (n, s, s), so that a texture read gathers one word, not three."""
    wide = jnp.asarray(atlas).astype(jnp.uint32)
    return wide[..., 0] | (wide[..., 1] << 8) | (wide[..., 2] << 16)


def _render(
    drawn: scene.Scene, packed: jax.Array, u: jax.Array, v: jax.Array, x: jax.Array, y: jax.Array
) -> jax.Array:
    """Returns the frames (f, h, w, 3) in [0, 1], averaged over instants of the exposure."""
    du, dv = _rate(u), _rate(v)
    # A cheap low-discrepancy pattern over the pixels ("interleaved gradient noise").
    shift = jnp.mod(52.9829189 * jnp.mod(0.06711056 * x + 0.00583715 * y, 1.0), 1.0)

    def instant(total, tap):
        time = ((tap + shift) / _TAPS - 0.5) * drawn.shutter
        return total + _composite(drawn, packed, u + time * du, v + time * dv), None

    empty = jnp.zeros((*u.shape[1:], 3), jnp.float32)
    total, _ = jax.lax.scan(instant, empty, jnp.arange(_TAPS, dtype=jnp.float32))
    lit = total / _TAPS * drawn.light[:, None, None, None]
    return jnp.round(jnp.clip(lit, 0, 255)) / 255


def _rate(u: jax.Array) -> jax.Array:
    """Returns the change per frame of a material coordinate at a fixed pixel."""
    ahead = u[:, 1:] - u[:, :-1]
    return jnp.concatenate([ahead, ahead[:, -1:]], 1)


def _composite(drawn: scene.Scene, packed: jax.Array, u: jax.Array, v: jax.Array) -> jax.Array:
    """Returns the picture (f, h, w, 3) in 0..255 of all layers at given material coordinates."""
    cover = jnp.clip(_inside(drawn, u, v) + 0.5, 0, 1)[..., None]
    color = jax.vmap(_surface, (0, None, 0, 0))(drawn.look, packed, u, v)

    def over(canvas, layer):
        color, cover = layer
        return canvas + cover * (color - canvas), None

    return jax.lax.scan(over, jnp.zeros_like(color[0]), (color, cover))[0]


def _surface(look: scene.Look, packed: jax.Array, u: jax.Array, v: jax.Array) -> jax.Array:
    """Returns one layer's colours (..., 3) in 0..255."""
    count, size = packed.shape[:2]
    number = jnp.floor(look.texture * np.float32(count)).astype(jnp.int32)
    x = look.transform[0, 0] * u + look.transform[0, 1] * v + look.offset[0] * size
    y = look.transform[1, 0] * u + look.transform[1, 1] * v + look.offset[1] * size
    left, top = jnp.floor(x), jnp.floor(y)
    color = 0.0
    for dy in (0, 1):
        for dx in (0, 1):
            weight = (1 - jnp.abs(x - left - dx)) * (1 - jnp.abs(y - top - dy))
            word = packed[number, _reflect(top + dy, size), _reflect(left + dx, size)]
            rgb = jnp.stack([(word >> shift) & 255 for shift in (0, 8, 16)], -1)
            color = color + weight[..., None] * rgb.astype(jnp.float32)
    return jnp.clip(color * look.gain + look.bias * 255, 0, 255)


def _reflect(position: jax.Array, size: int) -> jax.Array:
    """Returns the index of a texel beyond the border: dcba|abcd|dcba (BORDER_REFLECT)."""
    wave = jnp.mod(position.astype(jnp.int32), 2 * size)
    return jnp.where(wave < size, wave, 2 * size - 1 - wave)


def _pair(
    config: scene.SceneConfig,
    drawn: scene.Scene,
    pose: motion.Pose,
    u: jax.Array,
    v: jax.Array,
    seen: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Returns where the visible points (h, w) go in the frame of `pose`, and which are hidden."""
    x, y = jax.vmap(lambda p, u, v: motion.place(p, u, v, jnp))(pose, u, v)  # (l, h, w)
    order = jnp.arange(len(drawn.kind))[:, None, None]
    mine = order == seen
    x, y = jnp.where(mine, x, 0).sum(0), jnp.where(mine, y, 0).sum(0)
    out = (x < 0) | (x > config.width - 1) | (y < 0) | (y > config.height - 1)
    their_u, their_v = jax.vmap(lambda p: motion.material(p, x, y, jnp))(pose)
    over = (_inside(drawn, their_u, their_v) > 0) & (order > seen)
    return jnp.stack([x, y], -1), out | over.any(0)
