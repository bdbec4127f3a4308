"""The host form of the generator: numpy and OpenCV, one clip at a time, for Grain workers."""

from typing import NamedTuple

import cv2
import numpy as np

from daflow_jax.synthetic import motion, scene, shapes, textures


class _Patch(NamedTuple):
    """A layer in one frame: its box, the material coordinates and the coverage inside the box."""

    layer: int
    box: tuple[slice, slice]  # rows, columns
    u: np.ndarray
    v: np.ndarray
    inside: np.ndarray | None  # signed distance; None = everywhere (the background)


def clip(
    config: scene.SceneConfig, seed: int, index: int, *, backward: bool = True
) -> dict[str, np.ndarray]:
    """Returns clip `index` of the stream `seed`: keys of `tasks.inputs.CLIP`, without batch axis.

    hq float32 (f, h, w, 3) in [0, 1] (multiples of 1/255); flow (f-1, h, w, 2) pixels from frame k
    to k+1 of the visible layer; valid, occlusion bool (f-1, h, w); instances, classes int32
    (f, h, w); with `backward` also flow_back, valid_back, occlusion_back of frame k+1 to k.
    """
    drawn = scene.draw(config, seed, index)
    atlas = textures.atlas(config, seed)
    patches = [_patches(config, drawn, k) for k in range(config.frames)]
    instances = np.stack([_visible(config, frame) for frame in patches])
    frames = [_render(config, drawn, atlas, patches[k], k) for k in range(config.frames)]
    result = {
        "hq": np.stack(frames),
        "instances": instances,
        "classes": drawn.kind[instances].astype(np.int32),
    }
    ways = {"": (0, 1), "_back": (1, 0)} if backward else {"": (0, 1)}
    for suffix, (source, target) in ways.items():
        pairs = [
            _pair(config, drawn, patches, instances, k + source, k + target)
            for k in range(config.frames - 1)
        ]
        result["flow" + suffix] = np.stack([flow for flow, _ in pairs])
        result["occlusion" + suffix] = np.stack([hidden for _, hidden in pairs])
        result["valid" + suffix] = np.ones(result["occlusion" + suffix].shape, bool)
    return result


def _patches(config: scene.SceneConfig, drawn: scene.Scene, k: int) -> list[_Patch]:
    """Returns the layers that touch frame k, back to front."""
    found = []
    for layer in np.flatnonzero(drawn.active).tolist():
        pose = motion.at(drawn.pose, layer, k)
        box = _box(config, drawn, pose, layer)
        if box is None:
            continue
        x, y = _pixels(box)
        u, v = motion.material(pose, x, y)
        inside = _inside(drawn, layer, u, v) if layer else None
        found.append(_Patch(layer, box, u, v, inside))
    return found


def _inside(drawn: scene.Scene, layer: int, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return shapes.inside(int(drawn.kind[layer]), u, v, drawn.radius[layer], drawn.outline[layer])


def _box(
    config: scene.SceneConfig, drawn: scene.Scene, pose: motion.Pose, layer: int
) -> tuple[slice, slice] | None:
    """Returns rows and columns that hold the layer and its motion blur; None = out of the frame."""
    if layer == 0:
        return slice(0, config.height), slice(0, config.width)
    reach = shapes.BOUND * drawn.radius[layer] + np.abs(pose.amplitude)
    span = np.abs(pose.linear) @ reach + 2.0
    if drawn.shutter > 0:
        step = np.diff(drawn.pose.center[layer], axis=0)
        span = span + 0.6 * drawn.shutter * np.abs(step).max(0)
    low, high = np.floor(pose.center - span), np.ceil(pose.center + span) + 1
    left, top = (int(max(v, 0)) for v in low)
    right, bottom = int(min(high[0], config.width)), int(min(high[1], config.height))
    if left >= right or top >= bottom:
        return None
    return slice(top, bottom), slice(left, right)


def _pixels(box: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    """Returns x (1, w) and y (h, 1) of a box, float32."""
    x = np.arange(box[1].start, box[1].stop, dtype=np.float32)[None]
    return x, np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None]


def _visible(config: scene.SceneConfig, patches: list[_Patch]) -> np.ndarray:
    """Returns int32 (h, w): the index of the foremost layer at each pixel centre."""
    seen = np.zeros((config.height, config.width), np.int32)
    for patch in patches:
        if patch.inside is not None:
            seen[patch.box][patch.inside > 0] = patch.layer
    return seen


def _render(
    config: scene.SceneConfig, drawn: scene.Scene, atlas: np.ndarray, patches: list[_Patch], k: int
) -> np.ndarray:
    """Returns frame k, float32 (h, w, 3), rounded to multiples of 1/255 as a camera would."""
    canvas = np.empty((config.height, config.width, 3), np.float32)
    for patch in patches:
        color = _surface(drawn.look, atlas, patch)
        cover = None if patch.inside is None else np.clip(patch.inside + 0.5, 0, 1)
        cover = None if cover is None else cv2.merge([cover] * 3)  # numpy broadcasts slowly
        if drawn.shutter > 0:
            color, cover = _expose(config, drawn, patch, k, color, cover)
        elif cover is not None:
            color *= cover
        if cover is None:
            canvas = color
        else:
            below = canvas[patch.box]
            below -= below * cover
            below += color
    seen = cv2.convertScaleAbs(canvas, alpha=float(drawn.light[k]))  # rounds to bytes
    return seen * np.float32(1 / 255)


def _surface(look: scene.Look, atlas: np.ndarray, patch: _Patch) -> np.ndarray:
    """Returns the layer's colours in its box, float32 (h, w, 3) in 0..255."""
    number = int(np.floor(look.texture[patch.layer] * np.float32(len(atlas))))
    matrix, size = look.transform[patch.layer], atlas.shape[1]
    at_x, at_y = look.offset[patch.layer] * np.float32(size)
    x = matrix[0, 0] * patch.u + matrix[0, 1] * patch.v + at_x
    y = matrix[1, 0] * patch.u + matrix[1, 1] * patch.v + at_y
    color = cv2.remap(atlas[number], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    levels = np.arange(256, dtype=np.float32)[:, None] * look.gain[patch.layer]
    table = np.clip(levels + look.bias[patch.layer] * np.float32(255), 0, 255)
    return cv2.LUT(color, table[None].astype(np.float32))


def _expose(
    config: scene.SceneConfig,
    drawn: scene.Scene,
    patch: _Patch,
    k: int,
    color: np.ndarray,
    cover: np.ndarray | None,
) -> tuple:
    """Returns premultiplied colour and coverage, averaged over the exposure along the true motion.

    Stage n averages the picture moved forwards and backwards by shutter / 2^(n+1): n stages are
    2^n equally spaced instants.
    """
    other = k + 1 if k + 1 < config.frames else k - 1
    x, y = _pixels(patch.box)
    to_x, to_y = motion.place(motion.at(drawn.pose, patch.layer, other), patch.u, patch.v)
    dx, dy = (to_x - x) * drawn.shutter, (to_y - y) * drawn.shutter
    stages = int(np.ceil(np.log2(max(np.sqrt((dx * dx + dy * dy).max()), 1.0))))
    x, y = x - patch.box[1].start, y - patch.box[0].start
    picture = color
    if cover is not None:
        picture = cv2.merge([*cv2.split(color * cover), cover[..., 0]])
    for stage in range(min(stages, 5)):
        part = np.float32(2.0 ** -(stage + 2))
        ends = [_moved(picture, x + sign * dx, y + sign * dy) for sign in (-part, part)]
        picture = cv2.addWeighted(ends[0], 0.5, ends[1], 0.5, 0)
    if cover is None:
        return picture, None
    return np.ascontiguousarray(picture[..., :3]), cv2.merge([picture[..., 3]] * 3)


def _moved(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _pair(
    config: scene.SceneConfig,
    drawn: scene.Scene,
    patches: list[list[_Patch]],
    instances: np.ndarray,
    source: int,
    target: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the flow (h, w, 2) from frame `source` to `target` and where its end is not seen."""
    end_x, end_y = np.empty((2, config.height, config.width), np.float32)
    for patch in patches[source]:
        pose = motion.at(drawn.pose, patch.layer, target)
        x, y = motion.place(pose, patch.u, patch.v)
        if patch.inside is None:
            end_x[:], end_y[:] = x, y
        else:
            mine = patch.inside > 0
            np.copyto(end_x[patch.box], x, where=mine)
            np.copyto(end_y[patch.box], y, where=mine)
    hidden = (end_x < 0) | (end_x > config.width - 1) | (end_y < 0) | (end_y > config.height - 1)
    for patch in patches[target][1:]:
        _hide(drawn, patch, target, instances[source], end_x, end_y, hidden)
    x, y = _pixels((slice(0, config.height), slice(0, config.width)))
    return np.stack([end_x - x, end_y - y], -1), hidden


def _hide(
    drawn: scene.Scene,
    patch: _Patch,
    target: int,
    seen: np.ndarray,
    end_x: np.ndarray,
    end_y: np.ndarray,
    hidden: np.ndarray,
) -> None:
    """Marks in `hidden` the points of layers behind `patch` that end up under it."""
    rows, columns = patch.box
    near = (seen < patch.layer) & ~hidden
    near &= (end_x > columns.start - 1) & (end_x < columns.stop)
    near &= (end_y > rows.start - 1) & (end_y < rows.stop)
    where = np.flatnonzero(near)
    if where.size:
        pose = motion.at(drawn.pose, patch.layer, target)
        u, v = motion.material(pose, end_x.ravel()[where], end_y.ravel()[where])
        hidden.reshape(-1)[where] = _inside(drawn, patch.layer, u, v) > 0
