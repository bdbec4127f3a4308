"""One resize, flip and crop for all arrays of a clip."""

import dataclasses

import numpy as np

from daflow_jax.input_pipeline.augment import resize

_UNKNOWN = 1e9  # how files write flow that is not known (SEA-RAFT, datasets)
_FURTHEST = 1000.0  # pixels; longer flow of the data sets is not meant (RAFT, datasets)


@dataclasses.dataclass(frozen=True)
class Dense:
    """Draws of the dense form. Scales are powers of two: Chairs -0.1 to 1, Things -0.4 to 0.8,
    Sintel -0.2 to 0.6 (RAFT, datasets).
    """

    min_scale: float = -0.2
    max_scale: float = 0.6
    flip: bool = True
    resize_share: float = 0.8
    stretch_share: float = 0.8
    max_stretch: float = 0.2
    mirror_share: float = 0.5
    upside_down_share: float = 0.1


@dataclasses.dataclass(frozen=True)
class Sparse:
    """Draws of the sparse form: KITTI -0.2 to 0.4 without `flip`, in mixtures -0.3 to 0.5, HD1K
    -0.5 to 0.2 (RAFT, datasets), TartanAir -0.2 to 0.4 (SEA-RAFT, datasets).
    """

    min_scale: float = -0.2
    max_scale: float = 0.4
    flip: bool = True
    resize_share: float = 0.8
    mirror_share: float = 0.5


@dataclasses.dataclass(frozen=True)
class Spatial:
    """What is done: factors of x and y, flips, and the corner of the window of `size` (h, w)."""

    size: tuple[int, int]
    top: int
    left: int
    factors: tuple[float, float] = (1.0, 1.0)
    mirror: bool = False
    upside_down: bool = False
    sparse: bool = False


def draw_crop(shape: tuple[int, int], size: tuple[int, int], rng: np.random.Generator) -> Spatial:
    """Returns a window of `size` anywhere in a frame of `shape` (h, w), not smaller."""
    top, left = (int(rng.integers(0, a - b + 1)) for a, b in zip(shape, size, strict=True))
    return Spatial(size, top, left)


def draw_dense(
    config: Dense, shape: tuple[int, int], size: tuple[int, int], rng: np.random.Generator
) -> Spatial:
    """Returns the transform of a frame of `shape` (h, w), not smaller than `size`.

    Draws in the published order. Where frame and window have one size, it does not move (SEA-RAFT).
    """
    scale = 2 ** rng.uniform(config.min_scale, config.max_scale)
    factors = [scale, scale]
    if rng.random() < config.stretch_share:
        bounds = -config.max_stretch, config.max_stretch
        factors = [factor * 2 ** rng.uniform(*bounds) for factor in factors]
    least = max((side + 8) / length for side, length in zip(size, shape, strict=True))
    resized = rng.random() < config.resize_share
    fx, fy = (float(max(f, least)) for f in factors) if resized else (1.0, 1.0)
    mirror = config.flip and bool(rng.random() < config.mirror_share)
    upside_down = config.flip and bool(rng.random() < config.upside_down_share)
    room = np.subtract(resize.new_shape(shape, fx, fy), size)
    top, left = (int(rng.integers(0, free)) if free > 0 else 0 for free in room)
    return Spatial(size, top, left, (fx, fy), mirror, upside_down)


def draw_sparse(
    config: Sparse, shape: tuple[int, int], size: tuple[int, int], rng: np.random.Generator
) -> Spatial:
    """Returns the transform of a frame of `shape` (h, w), not smaller than `size`.

    Draws in the published order; windows at the borders are more frequent.
    """
    scale = 2 ** rng.uniform(config.min_scale, config.max_scale)
    least = max((side + 1) / length for side, length in zip(size, shape, strict=True))
    factor = float(max(scale, least)) if rng.random() < config.resize_share else 1.0
    mirror = config.flip and bool(rng.random() < config.mirror_share)
    down, across = np.subtract(resize.new_shape(shape, factor, factor), size)
    top = int(np.clip(rng.integers(0, down + 20), 0, down))
    left = int(np.clip(rng.integers(-50, across + 50), 0, across))
    return Spatial(size, top, left, (factor, factor), mirror, sparse=True)


def apply(spatial: Spatial, clip: dict) -> dict:
    """Returns the clip with all frames, flows, masks and labels (see `tasks.inputs.CLIP`) moved.

    A frame smaller than the window is continued with black, to the right and below, where no flow
    is valid (SEA-RAFT, augmentor). Flow that is not finite or longer than 1000 pixels is not valid,
    and 0.
    """
    out = dict(clip)
    for key in ("lq", "hq", "instances", "classes"):
        if key in clip:
            out[key] = _frames(spatial, clip[key])
    for suffix in ("", "_back"):
        if f"flow{suffix}" in clip:
            out |= _motion(spatial, clip, suffix)
    return out


def _frames(spatial: Spatial, frames: np.ndarray) -> np.ndarray:
    method = resize.linear if frames.ndim == 4 else resize.nearest
    frames = _padded(frames, spatial.size)
    if spatial.factors != (1.0, 1.0):
        frames = np.stack([method(frame, *spatial.factors) for frame in frames])
    return _window(spatial, frames)


def _motion(spatial: Spatial, clip: dict, suffix: str) -> dict:
    names = [f"{name}{suffix}" for name in ("flow", "valid", "occlusion")]
    flow, valid = (_padded(clip[name], spatial.size) for name in names[:2])
    hidden = clip.get(names[2])
    occlusion = np.zeros_like(valid) if hidden is None else _padded(hidden, spatial.size)
    if spatial.factors != (1.0, 1.0):
        flow, valid = _known(flow, valid, _UNKNOWN)
        pairs = zip(flow, valid, occlusion, strict=True)
        resized = [_resized(spatial, *pair) for pair in pairs]
        flow, valid, occlusion = (np.stack(parts) for parts in zip(*resized, strict=True))
    flow, valid, occlusion = (_window(spatial, array) for array in (flow, valid, occlusion))
    flow, valid = _known(flow, valid, _FURTHEST)
    flow = flow * np.array([1 - 2 * spatial.mirror, 1 - 2 * spatial.upside_down], np.float32)
    found = {names[0]: flow, names[1]: valid, names[2]: occlusion}
    return found if hidden is not None else {name: found[name] for name in names[:2]}


def _resized(spatial: Spatial, flow: np.ndarray, valid: np.ndarray, occlusion: np.ndarray):
    if spatial.sparse:
        return resize.scatter(flow, valid, occlusion, *spatial.factors)
    nearest = resize.nearest(occlusion, *spatial.factors)
    return *resize.flow(flow, valid, *spatial.factors), nearest


def _known(flow: np.ndarray, valid: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns flow that is 0 where it is not valid: NaN and `limit` pixels or more never are."""
    near = np.abs(flow) < limit
    valid = valid & near[..., 0] & near[..., 1]
    return (flow if valid.all() else np.where(valid[..., None], flow, np.float32(0))), valid


def _padded(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    missing = [max(0, side - length) for side, length in zip(size, array.shape[1:3], strict=True)]
    if not any(missing):
        return array
    widths = [(0, 0), *((0, more) for more in missing), *[(0, 0)] * (array.ndim - 3)]
    return np.pad(array, widths)


def _window(spatial: Spatial, array: np.ndarray) -> np.ndarray:
    if spatial.mirror:
        array = array[:, :, ::-1]
    if spatial.upside_down:
        array = array[:, ::-1]
    (height, width), top, left = spatial.size, spatial.top, spatial.left
    return np.ascontiguousarray(array[:, top : top + height, left : left + width])
