"""What was drawn from a published pipeline, as the steps of a recipe."""

from typing import Any

import numpy as np

from daflow_jax.degrade import draw, published

Step = tuple[str, dict[str, Any]]


def sample(
    ranges: published.Pipeline, rng: np.random.Generator, frames: int, mode: str
) -> tuple[tuple[Step, ...], ...]:
    """Returns the chains of a random recipe: one whose parameters walk, or one for each frame."""
    if mode == "clip":
        return (steps(ranges, _draw(ranges, rng, frames)),)
    return tuple(steps(ranges, _draw(ranges, rng, 1)) for _ in range(frames))


def _draw(ranges: published.Pipeline, rng: np.random.Generator, frames: int) -> draw.Drawn:
    return draw.pipeline(ranges, rng.random(draw.NUM_UNIFORM), rng.random((frames, draw.NUM_STEPS)))


def steps(ranges: published.Pipeline, drawn: draw.Drawn) -> tuple[Step, ...]:
    """Returns the steps; a parameter that changes from frame to frame is a list."""
    chain: list[Step] = [("sharpen", {"coarse": True})] if ranges.sharpen else []
    if ranges.dialect == "opencv":
        for order in (drawn.first, drawn.second):
            chain += [*_blur(order.blur), _scale(order), _noise(order), _jpeg(order)]
        chain += _shuffled(ranges, drawn, _codec(ranges, drawn, 1))
    else:
        chain += _published(ranges, drawn)
    return (*chain, ("back", {"mode": "bicubic"}))


def _published(ranges: published.Pipeline, drawn: draw.Drawn) -> list[Step]:
    """Returns the steps of the pipelines written in PyTorch."""
    first, second = drawn.first, drawn.second
    scale = ("scale_published", {"scale": _value(first.scale), "mode": _mode(first.mode)})
    share = _value(second.scale / ranges.factor)
    middle = {"height": share, "width": share, "mode": _mode(second.mode)}
    if ranges.slip:  # the width is divided by the scale that it is multiplied with
        middle["width"] = 1.0
    encode = [_codec(ranges, drawn, k) for k in range(2)] if ranges.codec == "each" else [[], []]
    return [
        *_blur(first.blur),
        scale,
        *_clipped(first),
        ("jpeg_published", {"quality": _value(first.quality)}),
        *encode[0],
        *_blur(second.blur),
        ("resize_published", middle),
        *_clipped(second),
        *_shuffled(ranges, drawn, [("jpeg_published", {"quality": _value(second.quality)})]),
        ("clip", {}),
        *encode[1],
    ]


def _shuffled(ranges: published.Pipeline, drawn: draw.Drawn, other: list[Step]) -> list[Step]:
    """Returns the last resize with its sinc filter, before or after the other steps."""
    share = 1 / ranges.factor
    size = {"height": share, "width": share, "mode": _mode(drawn.mode)}
    name = "resize" if ranges.dialect == "opencv" else "resize_published"
    last: list[Step] = [(name, size), *_blur(drawn.sinc)]
    return [*other, *last] if bool(drawn.swapped) else [*last, *other]


def _blur(blur: draw.Blur) -> list[Step]:
    kind, size = int(blur.kind), int(blur.size)
    if kind == draw.NONE:
        return []
    if kind == draw.SINC:
        return [("sinc", {"size": size, "omega": _value(blur.omega)})]
    shape = {"kind": published.KINDS[kind], "size": size}
    numbers = {"sigma_x": blur.sigma_x, "sigma_y": blur.sigma_y, "theta": blur.theta}
    if kind >= 2:
        numbers["beta"] = blur.beta
    return [("kernel_blur", shape | {name: _value(v) for name, v in numbers.items()})]


def _scale(order: draw.Order) -> Step:
    return "scale", {"scale": _value(order.scale), "mode": _mode(order.mode)}


def _noise(order: draw.Order) -> Step:
    common = {"gray": bool(order.gray), "table": True}
    if bool(order.is_gaussian):
        return "gaussian_noise", {"sigma": _value(order.gaussian), **common}
    return "poisson_noise", {"scale": _value(order.poisson), **common}


def _clipped(order: draw.Order) -> list[Step]:
    return [_noise(order), ("clip", {})]


def _jpeg(order: draw.Order) -> Step:
    quality = _value(order.quality)
    whole = [int(q) for q in quality] if isinstance(quality, list) else int(quality)
    return "jpeg", {"quality": whole, "order": "bgr"}


def _codec(ranges: published.Pipeline, drawn: draw.Drawn, place: int) -> list[Step]:
    params = {
        "name": ranges.codecs[int(drawn.codecs[place])],
        "kbit_per_frame": int(1000 * drawn.kbit_per_frame[place]) / 1000,  # whole bits
        "preset": ranges.preset,
        "rate": 1,
        "truncate": True,
    }
    return [("codec", params)]


def _mode(place: Any) -> str:
    return published.MODES[int(place)]


def _value(numbers: Any) -> Any:
    """Returns one number where all frames share it, else a list."""
    values = [float(v) for v in np.ravel(numbers)]
    return values[0] if len(set(values)) == 1 else values
