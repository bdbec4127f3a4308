"""A fit of OmniMotion, or of any network of its kind, to one clip."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from daflow_jax import errors, models
from daflow_jax.fitting import descent
from daflow_jax.fitting.reduced import Clip
from daflow_jax.fitting.tracks import objective, points
from daflow_jax.fitting.tracks.pair_flow import PairFlow
from daflow_jax.models import calls

RATES = {"times": 1e-3, "bijection": 1e-4, "field": 3e-4}  # published, of 100,000 steps
HALVED = 0.2  # of the steps, after which rates are halved (published: 20,000 of 100,000)
LEAST_SPEED = 0.05  # [choice] pixels of the fit, of the fastest hundredth of the pixels
STATE = "state.npz"


class Settings(NamedTuple):
    """steps: of the fit. pairs, points: of a batch (published: 8 x 256). speed: of descent, times
    the published rates; short fits need more. seed: of every draw.
    """

    steps: int = 2000
    pairs: int = 8
    points: int = 64
    speed: float = 10.0
    seed: int = 0


def sized(config: Any, clip: Clip) -> Any:
    """Returns the configuration for a clip: its length and its sizes."""
    length, height, width = clip.frames.shape[:3]
    source = dict(source_height=clip.source[0], source_width=clip.source[1])
    return dataclasses.replace(config, frames=length, height=height, width=width, **source)


def check_motion(flow: PairFlow, where: str) -> None:
    """Raises UserError where nothing moves between neighbouring frames, naming how little."""
    near = np.flatnonzero(np.diff(flow.pairs, axis=1)[:, 0] == 1)
    fastest = max(_high(np.linalg.norm(flow.flow[n].astype(np.float32), axis=-1)) for n in near)
    if fastest < LEAST_SPEED:
        rule = f"nothing moves in it: 99 % of the flow is below {fastest:.2g} px a frame"
        raise errors.UserError(where, rule, "Use a clip with motion")


def _high(values: np.ndarray) -> float:
    return float(np.quantile(values, 0.99))


def fit(
    clip: Clip,
    flow: PairFlow,
    config: Any,
    settings: Settings,
    folder: Path | None = None,
    log: descent.Log = lambda line: None,
    progress: Callable[[], None] = lambda: None,
) -> Any:
    """Returns the variables of a network of `config` (see `sized`) fitted to a clip's flow.

    Args:
        folder: where the state is kept; an interrupted fit goes on from it exactly.

    The memory that is needed does not grow with the number of pairs, whose flow stays on the disk.
    """
    module = models.build(config)
    given = settings.pairs, settings.points, config.samples, settings.seed
    batches = points.Points(clip, flow, *given)

    def loss(params, batch, step):
        found = objective.parts(module, params, batch)
        return objective.total(found, objective.weights(step, settings.steps)), found

    depends = {"frames": clip.digest, "model": models.to_dict(config), **settings._asdict()}
    plan = descent.Plan(
        loss,
        batches,
        settings.steps,
        {name: settings.speed * rate for name, rate in RATES.items()},
        max(round(HALVED * settings.steps), 1),
        depends,
    )
    start = jax.jit(lambda key: calls.init(module, key))(jax.random.key(settings.seed))
    file = None if folder is None else folder / STATE
    return {"params": descent.run(plan, start["params"], file, log, progress)}
