"""Parameters of a synthetic clip, drawn from (seed, index) alike with numpy and jax.numpy."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import ranges
from daflow_jax.synthetic import counter, motion, shapes

_COMMON, _EACH = 24, 56  # uniform numbers per clip and per layer
_KINDS = np.array([1, 1, 1, 1, 2, 2, 2, 3, 4, 5, 6], np.int32)  # solid outlines are the most common
_TAU = np.float32(2 * np.pi)
EVAL_SEED = 0x5EED0000  # added to the seed of held-out clips: other scenes on other texture crops
MOST_PIXELS = 2**28  # [choice] of a clip, and of all textures: 3 bytes each at least
MOST = f"more than {MOST_PIXELS} pixels"
TEXTURES = ("mixed", "photographs", "procedural")


@dataclasses.dataclass(frozen=True)
class SceneConfig:
    """What the synthetic clips look like; every number is a bound of a random draw."""

    frames: int = 2
    height: int = 192
    width: int = 256
    min_shapes: int = 2
    max_shapes: int = 7
    max_motion: float = 0.25  # per frame, as a share of the longer side; speeds are log-uniform
    min_motion: float = 0.3  # pixels per frame: lower end of the log-uniform draw
    still_share: float = 0.12  # share of cameras, and of shapes, without motion of their own
    rotation: float = 0.15  # radians per frame
    scale: float = 0.1  # relative growth per frame
    nonrigid: float = 0.3  # largest slope of the shear waves (0 = affine motion only)
    blur_share: float = 0.3  # share of clips with motion blur
    shutter: float = 0.6  # longest exposure, as a share of the time between frames
    illumination: float = 0.04  # largest drift of the brightness gain per frame
    textures: str = "mixed"  # "mixed", "photographs" or "procedural"
    folder: str = ""  # the user's own photographs, instead of those of scikit-image
    num_textures: int = 64
    texture_size: int = 512

    def __post_init__(self):
        sizes = dict(frames=(2, 1024), height=(16, 16384), width=(16, 16384))
        shapes = dict(min_shapes=(0, 255), max_shapes=(0, 255))
        textures = dict(num_textures=(1, 65536), texture_size=(16, 16384))
        speeds = dict(max_motion=(ranges.ABOVE_0, 10), min_motion=(ranges.ABOVE_0, 1e4))
        shares = dict.fromkeys(("still_share", "blur_share", "illumination", "shutter"), (0, 1))
        changes = dict(rotation=(0, 7), scale=(0, 10), nonrigid=(0, ranges.BELOW_1))  # 1 would fold
        ranges.check(self, **sizes, **shapes, **textures, **speeds, **shares, **changes)
        ranges.check_choice(self, textures=TEXTURES)
        if self.min_shapes > self.max_shapes:
            raise ranges.wrong("min_shapes", self.min_shapes, "Use at most max_shapes")
        if self.frames * self.height * self.width > MOST_PIXELS:
            rule = f"{self.frames} frames of {self.height}x{self.width} are {MOST}"
            raise ranges.Wrong("frames", rule, "Use smaller clips")
        if self.num_textures * self.texture_size**2 > MOST_PIXELS:
            rule = f"{self.num_textures} of {self.texture_size}x{self.texture_size} are {MOST}"
            raise ranges.Wrong("num_textures", rule, "Use fewer or smaller ones")


class Look(NamedTuple):
    """How the layers' surfaces look (float32; leading axis: layers)."""

    texture: Any  # (l,) in [0, 1): times the size of the atlas = the index
    transform: Any  # (l, 2, 2) material -> texture pixels
    offset: Any  # (l, 2) texture pixels, as a share of the texture
    gain: Any  # (l, 3)
    bias: Any  # (l, 3)


class Scene(NamedTuple):
    """One clip's parameters; layer 0 is the background, later layers lie in front."""

    pose: motion.Pose  # leading axes (l, f)
    kind: Any  # (l,) int32 class label, 0 for the background
    active: Any  # (l,) bool
    radius: Any  # (l,) pixels
    outline: Any  # (l, 12) uniform numbers, see `shapes`
    look: Look
    shutter: Any  # () exposure in frames, 0 = sharp
    light: Any  # (f,) brightness gain


class _Draws:
    """Hands out columns of a table of uniform numbers, so that no draw is used twice."""

    def __init__(self, table: Any, xp: Any):
        self.table, self.xp, self.used = table, xp, 0

    def take(self, count: int = 0) -> Any:
        start = self.used
        self.used += max(count, 1)
        return self.table[..., start : self.used] if count else self.table[..., start]

    def between(self, low: float, high: float, count: int = 0) -> Any:
        return low + (high - low) * self.take(count)

    def log_between(self, low: float, high: float) -> Any:
        return self.xp.exp(self.between(float(np.log(low)), float(np.log(high))))

    def rare(self, bound: float) -> Any:
        """Returns draws in [-bound, bound] that are mostly small (a cubed uniform draw)."""
        return bound * self.between(-1.0, 1.0) ** 3


def draw(config: SceneConfig, seed: Any, index: Any, xp: Any = np) -> Scene:
    """Returns the parameters of clip `index` of the stream `seed`; `xp` is numpy or jax.numpy."""
    layers = config.max_shapes + 1
    table = counter.uniform(seed, index, _COMMON + layers * _EACH, xp)
    common = _Draws(table[:_COMMON], xp)
    each = _Draws(table[_COMMON:].reshape(layers, _EACH), xp)
    is_shape = xp.arange(layers) > 0
    count = xp.floor(config.min_shapes + common.take() * (layers - config.min_shapes))
    active = xp.arange(layers) <= count
    pick = xp.floor(len(_KINDS) * each.take()).astype(xp.int32)
    kind = xp.where(is_shape, xp.asarray(_KINDS)[pick], 0)
    short = min(config.height, config.width)
    radius = each.log_between(0.07 * short, 0.5 * short).astype(xp.float32)
    radius = xp.where(is_shape, radius, max(config.height, config.width) / 1.6)
    pose = _pose(config, common, each, active, radius, xp)
    return Scene(
        pose,
        kind,
        active,
        radius.astype(xp.float32),
        each.take(shapes.NUM_PARAMETERS),
        _look(each, xp),
        _shutter(config, common, xp),
        _light(config, common, xp),
    )


def _pose(
    config: SceneConfig, common: _Draws, each: _Draws, active: Any, radius: Any, xp: Any
) -> motion.Pose:
    """Returns the poses of all layers at all frames, slowed down if a layer would move too far."""
    camera, own = _drift(config, common, xp), _drift(config, each, xp)
    is_shape = (xp.arange(radius.shape[0]) > 0).astype(xp.float32)
    own = [part * is_shape.reshape((-1,) + (1,) * (part.ndim - 1)) for part in own]
    size = np.array([config.width, config.height], np.float32)
    start = (each.between(-0.05, 1.05, 2) - 0.5) * size * is_shape[:, None]
    turn = _TAU * each.take() * is_shape
    waves = _waves(config, each, radius, xp)
    times = xp.arange(config.frames, dtype=xp.float32) - (config.frames - 1) / 2
    linear, center = _affine(camera, own, start, turn, times, xp)
    far = _displacement(linear, center, radius, active, xp)
    limit = config.max_motion * max(config.height, config.width)
    slow = xp.minimum(1.0, limit / xp.maximum(far, 1e-3))
    times = (times * slow).astype(xp.float32)
    linear, center = _affine(camera, own, start, turn, times, xp)
    center = center + (size - 1) / 2
    amplitude, phase, frequency = waves
    amplitude = amplitude[0][:, None] * xp.cos(amplitude[1][:, None] + times[:, None] * 0.6)
    phase = phase[0][:, None] + times[:, None] * phase[1][:, None]
    frequency = xp.broadcast_to(frequency[:, None], phase.shape)
    return motion.Pose(linear, _inverse(linear, xp), center, amplitude, phase, frequency)


def _drift(config: SceneConfig, draws: _Draws, xp: Any) -> list:
    """Returns velocity (..., 2), acceleration (..., 2), rotation rate and log growth rate (...)."""
    limit = config.max_motion * max(config.height, config.width)
    speed = draws.log_between(min(config.min_motion, limit), limit)
    speed = xp.where(draws.take() < config.still_share, 0.0, speed)
    angle = _TAU * draws.take()
    velocity = speed[..., None] * xp.stack([xp.cos(angle), xp.sin(angle)], -1)
    acceleration = 0.25 * speed[..., None] * draws.between(-1.0, 1.0, 2)
    moves = (speed > 0).astype(xp.float32)
    rotation = draws.rare(config.rotation) * moves
    return [velocity, acceleration, rotation, draws.rare(float(np.log1p(config.scale))) * moves]


def _affine(camera: list, own: list, start: Any, turn: Any, times: Any, xp: Any) -> tuple:
    """Returns linear (l, f, 2, 2) and center (l, f, 2), relative to the middle of the frame.

    A shape moves in the world, the camera moves the world: frame = camera(shape(material)).
    """
    t = times[:, None]
    lens = _similarity(camera[2] * times, camera[3] * times, xp)  # (f, 2, 2)
    shift = camera[0] * t + 0.5 * camera[1] * t * t
    body = _similarity(turn[:, None] + own[2][:, None] * times, own[3][:, None] * times, xp)
    path = start[:, None] + own[0][:, None] * t + 0.5 * own[1][:, None] * t * t  # (l, f, 2)
    return _matmul(lens, body, xp), _apply(lens, path, xp) + shift


def _similarity(angle: Any, log_scale: Any, xp: Any) -> Any:
    cos, sin = xp.exp(log_scale) * xp.cos(angle), xp.exp(log_scale) * xp.sin(angle)
    return xp.stack([xp.stack([cos, -sin], -1), xp.stack([sin, cos], -1)], -2)


def _matmul(a: Any, b: Any, xp: Any) -> Any:
    """Returns a @ b for 2x2 matrices in plain float32 sums: accelerators round `@` to bfloat16."""
    return (a[..., :, :, None] * b[..., None, :, :]).sum(-2)


def _apply(matrix: Any, point: Any, xp: Any) -> Any:
    return (matrix * point[..., None, :]).sum(-1)


def _inverse(m: Any, xp: Any) -> Any:
    a, b, c, d = m[..., 0, 0], m[..., 0, 1], m[..., 1, 0], m[..., 1, 1]
    rows = xp.stack([xp.stack([d, -b], -1), xp.stack([-c, a], -1)], -2)
    return rows / (a * d - b * c)[..., None, None]


def _displacement(linear: Any, center: Any, radius: Any, active: Any, xp: Any) -> Any:
    """Returns the longest way in pixels that a point of an active layer goes between two frames."""
    corners = np.array([[0, 0], [1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32) * np.float32(0.75)
    points = corners[None] * radius[:, None, None]  # (l, 5, 2)
    seen = _apply(linear[:, :, None], points[:, None], xp) + center[:, :, None]
    step = xp.diff(seen, axis=1)
    length = xp.sqrt((step * step).sum(-1)) * active[:, None, None]
    return length.max()


def _waves(config: SceneConfig, each: _Draws, radius: Any, xp: Any) -> tuple:
    """Returns (size, phase) of the amplitudes, (phase, speed), and frequency of the shears."""
    wavelength = radius[:, None] * each.between(1.2, 4.0, 2)
    frequency = (_TAU / wavelength).astype(xp.float32)
    slope = config.nonrigid * each.take() ** 2
    size = slope[:, None] / frequency
    size = size * (each.take() < 0.7).astype(xp.float32)[:, None]
    swing, phase = _TAU * each.take(2), _TAU * each.take(2)
    return (size, swing), (phase, each.between(-0.6, 0.6, 2)), frequency


def _look(each: _Draws, xp: Any) -> Look:
    """Returns the textures: index, rotation, zoom, position and colour change."""
    texture, angle = each.take(), _TAU * each.take()
    zoom = each.log_between(0.5, 1.25)
    transform = _similarity(angle, xp.log(zoom), xp)
    gain = xp.exp(each.between(-0.35, 0.3))[:, None] * xp.exp(each.between(-0.12, 0.12, 3))
    bias = each.between(-0.1, 0.1)[:, None] + each.between(-0.03, 0.03, 3)
    return Look(texture, transform, each.take(2), gain, bias)


def _shutter(config: SceneConfig, common: _Draws, xp: Any) -> Any:
    blurred, exposure = common.take() < config.blur_share, common.between(0.1, config.shutter)
    return xp.where(blurred, exposure, 0.0).astype(xp.float32)


def _light(config: SceneConfig, common: _Draws, xp: Any) -> Any:
    drift = common.rare(config.illumination)
    times = xp.arange(config.frames, dtype=xp.float32) - (config.frames - 1) / 2
    return xp.exp(drift * times).astype(xp.float32)
