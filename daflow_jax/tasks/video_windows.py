"""Windows of clips for restoration, and sums over them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.losses import temporal
from daflow_jax.metrics import flicker, image, mean
from daflow_jax.ops import pad, scales
from daflow_jax.tasks.video_crops import Crop

BEST_PSNR = 60.0  # dB: equal frames would make every mean infinite [choice]


class Clips(NamedTuple):
    """Windows of a batch, folded into its first axis.

    lq: (n, f, h, w, 3). start: (n, f - 1, h, w, 2). hq: the true middle frame (n, s h, s w, 3).
    truth: true flow as `start` and where it is known, or None. noise: (n,) or None.
    """

    lq: Float[Array, "n f h w 3"]
    start: Float[Array, "n p h w 2"]
    hq: Float[Array, "n H W 3"]
    truth: tuple[Array, Array] | None
    noise: Float[Array, "n"] | None


def size_of(clips: jax.Array) -> tuple[int, int]:
    """Returns height and width of (b, f, h, w, c)."""
    return clips.shape[2], clips.shape[3]


def folded(windows: list[jax.Array]) -> jax.Array:
    """Returns windows (w of (b, n, ...)) as (b w, n, ...), those of a clip side by side."""
    stacked = jnp.stack(windows, 1)
    return stacked.reshape(-1, *stacked.shape[2:])


def outwards(batch, first: int, window: int) -> tuple[jax.Array, jax.Array]:
    """Returns true flow from the middle of a window to its neighbours in time.

    Only steps of one frame are known; flow over more frames is marked as unknown.
    """
    at, half = first + window // 2, window // 2
    flows, known = [], []
    for step in (*range(-half, 0), *range(1, half + 1)):
        side, place = ("_back", at - 1) if step < 0 else ("", at)
        flow, valid = batch[f"flow{side}"][:, place], batch[f"valid{side}"][:, place]
        flows.append(flow if abs(step) == 1 else jnp.zeros_like(flow))
        known.append(valid if abs(step) == 1 else jnp.zeros_like(valid))
    return jnp.stack(flows, 1), jnp.stack(known, 1)


def around(frames: jax.Array, middle: int, window: int) -> jax.Array:
    """Returns the window (b, w, ...) around one frame of clips."""
    first = middle - window // 2
    return frames[:, first : first + window]


def weight(batch) -> jax.Array:
    """Returns the weight of each clip, (b,)."""
    return batch.get("weight", jnp.ones(len(batch["hq"]), jnp.float32))


def weighted(values, weight) -> jax.Array:
    """Returns the weighted mean of a value per clip."""
    return jnp.sum(values * weight) / jnp.maximum(jnp.sum(weight), 1e-6)


def flow_error(flows, truth, weight) -> jax.Array:
    """Returns the mean over levels of the absolute error, each in pixels of the whole size."""
    target, known = truth
    parts = []
    for flow in flows.values():
        ratio = target.shape[2] / flow.shape[2]
        want, counted = scales.target_at(target, known, flow.shape[2:4])
        counted = counted * weight[:, None, None, None]
        error = ratio * jnp.abs(flow - want).sum(-1)
        parts.append(jnp.sum(error * counted) / jnp.maximum(jnp.sum(counted), 1e-6))
    return jnp.mean(jnp.stack(parts))


def level_errors(clips: Clips, flows, weight) -> dict[str, mean.Mean]:
    """Returns the end-point error of start and levels in pixels of the degraded frames."""
    if clips.truth is None:
        return {}
    target, known = clips.truth
    counted, size = known * weight[:, None, None, None], size_of(target)
    named = {"start": clips.start, **flows}
    return {
        f"epe_{name}": mean.Mean.of(
            jnp.linalg.norm(scales.flow_at(flow, size) - target, axis=-1), counted
        )
        for name, flow in named.items()
    }


def cut_flow(flow, size: tuple[int, int], around) -> jax.Array:
    """Returns a level's flow without the padding of the frames, at the frames' own size."""
    return pad.crop(scales.flow_at(flow, size), around)


def psnr(frames, truth, weight) -> mean.Mean:
    """Returns PSNR in dB; equal frames count as 60."""
    values = jnp.minimum(image.psnr(jnp.clip(frames, 0, 1), truth), BEST_PSNR)
    return mean.Mean.of(values, weight)


def cropped(
    crop: Crop, rng: jax.Array, clips: Clips, between: jax.Array | None, scale: int
) -> tuple[Clips, jax.Array | None]:
    """Returns crops of all windows; those of one clip, and its flow in time, are cut alike.

    Args:
        between: flow between the middle frames (b, w - 1, s h, s w, 2), if there is any.
        scale: of the clean frames' side to the degraded ones'.
    """
    rows = len(clips.hq) if between is None else len(between)

    def joined(x):  # the windows of a clip side by side, so that one draw cuts them all
        return x.reshape(rows, -1, *x.shape[2:])

    arrays = {"lq": (joined(clips.lq), 1), "start": (joined(clips.start), 1)}
    arrays["hq"] = joined(clips.hq[:, None]), scale
    if clips.truth is not None:
        arrays["truth"] = joined(clips.truth[0]), 1
        arrays["known"] = joined(clips.truth[1][..., None]), 1
    if between is not None:
        arrays["between"] = between, scale
    cut = crop(rng, arrays, frozenset({"start", "truth", "between"} & set(arrays)))

    def apart(name, count):
        x = cut[name]
        return x.reshape(-1, count, *x.shape[2:])

    truth, pairs = clips.truth, clips.start.shape[1]
    if truth is not None:
        truth = apart("truth", pairs), apart("known", pairs)[..., 0]
    made = clips._replace(
        lq=apart("lq", clips.lq.shape[1]),
        start=apart("start", pairs),
        hq=apart("hq", 1)[:, 0],
        truth=truth,
    )
    return made, cut.get("between")


def flicker_loss(frame, hq, between, weight) -> jax.Array:
    """Returns the temporal loss of neighbouring windows.

    Args:
        frame, hq: restored and true middle frames (b w, h, w, 3).
        between: flow from each to the one before (b, w - 1, h, w, 2). weight: (b,).
    """
    rows = len(weight)
    restored, true = (x.reshape(rows, -1, *x.shape[1:]) for x in (frame, hq))

    def flat(x):
        return x.reshape(-1, *x.shape[2:])

    return temporal.temporal_loss(
        (flat(restored[:, :-1]), flat(restored[:, 1:])),
        (flat(true[:, :-1]), flat(true[:, 1:])),
        flat(between),
        weight=jnp.repeat(weight, restored.shape[1] - 1),
    ).loss


def opw(frame, hq, between, weight) -> mean.Mean:
    """Returns the flicker of neighbouring windows in grey levels; see `flicker_loss`."""
    restored, true = (x.reshape(len(weight), -1, *x.shape[1:]) for x in (jnp.clip(frame, 0, 1), hq))
    values = flicker.opw(restored[:, 1:], restored[:, :-1], true[:, 1:], true[:, :-1], between)
    return mean.Mean.of(values, jnp.broadcast_to(weight[:, None], values.shape))
