"""A segmenter fitted to one clip, whose masks must explain its flow (Guess What Moves)."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors, models
from daflow_jax.fitting import descent, reduced
from daflow_jax.losses import flow_fit
from daflow_jax.models import calls

LEAST_SPEED = 0.1  # [choice] pixels a frame, of the fastest hundredth of the pixels
LEAST_APART = 0.1  # [choice] pixels: how far the flow must be from one motion of the whole frame
WEIGHT, RATE, BATCH = 0.03, 1e-3, 4  # the first is published [others: choices]


class Moving(NamedTuple):
    """A clip with its flow, float32 (t-1, h, w, 2) pixels of the fit's size, both ways."""

    clip: reduced.Clip
    forward: np.ndarray
    backward: np.ndarray


def gather(
    frames: Iterable[np.ndarray], model: Any, side: int, multiple: int, where: str, **options: Any
) -> Moving:
    """Returns a clip and its flow by a `FlowModel`, at constant memory but for the small frames.

    Raises UserError for a single frame.
    """
    reader, ways = reduced.Reader(side, multiple, where), ([], [])
    stream = model.stream(
        reader.passing(frames), bidirectional=True, results=True, where=where, **options
    )
    for result in stream:
        size = reduced.fitted_size(result.flow.shape[:2], side, multiple)
        for kept, flow in zip(ways, (result.flow, result.backward), strict=True):
            kept.append(reduced.resized_flow(flow, size))
    return Moving(reader.clip(), *(np.stack(way) for way in ways))


def check_motion(moving: Moving, where: str) -> None:
    """Raises UserError for a clip in which nothing moves, or nothing but the camera, naming how
    little: in pixels of its own frames.
    """
    scale = max(moving.clip.source) / max(moving.forward.shape[1:3])
    speed = scale * max(_high(np.linalg.norm(flow, axis=-1)) for flow in moving.forward)
    if speed < LEAST_SPEED:
        rule = f"nothing moves in it: 99 % of the flow is below {speed:.2g} px a frame"
        remedy = f"Use a clip that moves {LEAST_SPEED} px a frame, or every tenth frame of it"
        raise errors.UserError(where, rule, remedy)
    apart = scale * max(
        _high(np.linalg.norm(flow - _whole(flow), axis=-1)) for flow in moving.forward
    )
    if apart < LEAST_APART:
        rule = f"nothing moves by itself: one motion of the frame explains all but {apart:.2g} px"
        raise errors.UserError(where, rule, "Use a clip in which things move apart from the camera")


def _high(values: np.ndarray) -> float:
    return float(np.quantile(values, 0.99))


def _whole(flow: np.ndarray) -> np.ndarray:
    return np.asarray(
        flow_fit.fit(jnp.ones((1, *flow.shape[:2], 1)), jnp.asarray(flow[None])).flow[0]
    )


def fit(
    moving: Moving,
    config: Any,
    steps: int,
    seed: int = 0,
    file: Path | None = None,
    log: descent.Log = lambda line: None,
    progress: Callable[[], None] = lambda: None,
) -> Any:
    """Returns the variables of a segmenter of `config` after `steps` steps on one clip.

    Args:
        file: where the state is kept, see `descent.run`.
    """
    module = models.build(config)
    frames, ways = moving.clip.frames, _both(moving)
    size = frames.shape[1:3]

    def batch(step):
        rng = np.random.default_rng([seed, step])
        number = rng.integers(len(frames), size=BATCH)
        ahead = (rng.random(BATCH) < 0.5) & (number < len(frames) - 1) | (number == 0)
        flow = np.stack([ways[int(a)][n] for a, n in zip(ahead, number, strict=True)])
        return frames[number].astype(np.float32) / 255, flow

    def loss(params, given, step):
        del step
        logits = calls.call(module, {"params": params}, jax.random.key(0), given[0][:, None])[:, 0]
        soft = jax.nn.softmax(logits, -1)
        shares = jax.image.resize(soft, (*soft.shape[:1], *size, soft.shape[-1]), "linear")
        error = jnp.mean(flow_fit.reconstruction_error(shares, given[1]))
        return WEIGHT * error, {"px": jnp.sqrt(error)}

    settings = {"frames": moving.clip.digest, "steps": steps, "seed": seed}
    settings["model"] = models.to_dict(config)
    plan = descent.Plan(loss, batch, steps, {"": RATE}, settings=settings)
    params = jax.jit(lambda key: calls.init(module, key))(jax.random.key(seed))["params"]
    return {"params": descent.run(plan, params, file, log, progress)}


def _both(moving: Moving) -> tuple[np.ndarray, np.ndarray]:
    """Returns flow (t, h, w, 2) of every frame to the one before and to the one after; that of the
    first and the last frame, which do not exist, are zeros and never asked for.
    """
    none = np.zeros_like(moving.forward[:1])
    return np.concatenate([none, moving.backward]), np.concatenate([moving.forward, none])
