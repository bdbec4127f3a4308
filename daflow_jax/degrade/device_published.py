"""The accelerator form of the published pipelines: what `draw.pipeline` drew, done with `canvas`.

Two things differ from the host: the codec has no such form and is left out, and counts of photons
are normal numbers of the same variance.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from daflow_jax.degrade import canvas, draw, published


def degrade(
    key: jax.Array, frames: jax.Array, pipeline: published.Pipeline = published.REALBASICVSR
) -> jax.Array:
    """Returns the frames, float32 (f, h, w, 3) in [0, 1], after one draw of the pipeline.

    Mode "clip" draws once and lets the parameters walk, "frame" draws each frame anew.
    """
    draws, fields = jax.random.split(key)
    count = len(frames)
    if pipeline.mode == "clip":
        drawn = draw.pipeline(pipeline, *_uniform(draws, count), jnp)
        each = [of_frame(drawn, k) for k in range(count)]
        stacked = jax.tree.map(lambda *values: jnp.stack(values), *each)
    else:
        stacked = jax.vmap(
            lambda key: of_frame(draw.pipeline(pipeline, *_uniform(key, 1), jnp), 0)
        )(jax.random.split(draws, count))
    return jax.vmap(one_frame, (0, 0, 0, None))(
        jax.random.split(fields, count), frames, stacked, pipeline
    )


def _uniform(key: jax.Array, frames: int) -> tuple[jax.Array, jax.Array]:
    once, steps = jax.random.split(key)
    shape = (frames, draw.NUM_STEPS)
    return jax.random.uniform(once, (draw.NUM_UNIFORM,)), jax.random.uniform(steps, shape)


def of_frame(drawn: draw.Drawn, k: int) -> draw.Drawn:
    """Returns what was drawn for frame k as scalars."""

    def pick(value: Any) -> jax.Array:
        value = jnp.asarray(value)
        return value[k] if value.ndim else value

    still = {"codecs": drawn.codecs[0], "kbit_per_frame": drawn.kbit_per_frame[0]}
    return jax.tree.map(pick, drawn._replace(**still))


def one_frame(
    key: jax.Array, frame: jax.Array, drawn: draw.Drawn, pipeline: published.Pipeline
) -> jax.Array:
    """Returns one frame (h, w, 3) in [0, 1] after the pipeline with its scalar parameters."""
    size, keys = (frame.shape[0], frame.shape[1]), jax.random.split(key)
    image = frame * 255
    picture = canvas.Canvas(canvas.sharpen(image) if pipeline.sharpen else image, *size)
    largest = _grown(size, pipeline.first)
    picture = _round(keys[0], picture, drawn.first, (pipeline, size, largest, False))
    largest = _grown(largest, pipeline.second) if pipeline.dialect == "opencv" else _grown(size)
    picture = _round(keys[1], picture, drawn.second, (pipeline, size, largest, True))
    small = int(size[0] / pipeline.factor), int(size[1] / pipeline.factor)
    way = canvas.Way(drawn.mode, pipeline.dialect == "pytorch")
    last = _last(picture, small, way, drawn)
    if pipeline.dialect == "pytorch":
        packed = canvas.jpeg_published(picture, drawn.second.quality)
        swapped = _last(packed, small, way, drawn)
        last = canvas.jpeg_published(last, drawn.second.quality)
        image = jnp.where(drawn.swapped, swapped.image, last.image)
        last = last._replace(image=jnp.clip(image, 0, 255))
    back = canvas.resize(last, size, size, canvas.Way(2, False))
    return jnp.round(jnp.clip(back.image, 0, 255)) / 255


def _last(picture: canvas.Canvas, small: tuple[int, int], way: canvas.Way, drawn: draw.Drawn):
    """Returns the small picture of the last resize, after its sinc filter."""
    picture = canvas.resize(picture, small, _grown(small), way)
    return canvas.blur(picture, canvas.kernel(drawn.sinc))


def _grown(size: tuple[int, int], order: published.Order | None = None) -> tuple[int, int]:
    """Returns the canvas, whole blocks of 16, that holds the largest picture of a round."""
    most = max(order.scale[1], 1) if order else 1
    height, width = (16 * math.ceil(n * most / 16) for n in size)
    return height, width


def _round(key: jax.Array, picture: canvas.Canvas, order: draw.Order, where: tuple):
    """Returns the picture after blur, resize, noise and, but for PyTorch's second round, JPEG."""
    pipeline, size, largest, is_second = where
    is_torch = pipeline.dialect == "pytorch"
    picture = canvas.blur(picture, canvas.kernel(order.blur))
    target, factor = _target(picture, order.scale, pipeline, size, is_second)
    picture = canvas.resize(picture, target, largest, canvas.Way(order.mode, is_torch, factor))
    field = jax.random.normal(key, (*largest, 3))
    picture = canvas.noise(picture, order, field, clip=is_torch)
    if not is_torch:
        return canvas.jpeg_opencv(picture, order.quality)
    return picture if is_second else canvas.jpeg_published(picture, order.quality)


def _target(picture: canvas.Canvas, scale: Any, pipeline: published.Pipeline, size, is_second):
    """Returns height and width after a round's resize, and the factor that maps coordinates."""
    if pipeline.dialect == "opencv":
        sides = (picture.height, picture.width)
        height, width = (jnp.maximum(2 * jnp.floor(n * scale / 2), 4) for n in sides)
        return (height, width), 0.0
    if not is_second:
        height, width = (jnp.maximum(jnp.floor(n * scale), 1) for n in size)
        return (height, width), scale
    height, width = (jnp.maximum(jnp.floor(n * (scale / pipeline.factor)), 1) for n in size)
    return (height, size[1] if pipeline.slip else width), 0.0
