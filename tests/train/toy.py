"""A task without a network of its own, and its data: the loop must need no more than this."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import sharding
from daflow_jax.metrics import mean
from daflow_jax.tasks import base, inputs
from daflow_jax.tasks.inputs import FRAMES
from daflow_jax.train import data_feed, optimizer, setup, state, writer
from daflow_jax.train import evaluator as evaluate

SHAPE = (2, 4, 4)  # frames, height, width
STEPS = 12


@dataclasses.dataclass(frozen=True)
class Toy(base.BaseTask):
    """Learns hq = lq @ mix + shift from noisy examples; `held` is never used to predict."""

    best = "-error"
    work_unit = "pair"
    inputs = {"lq": FRAMES, "hq": FRAMES}

    def init(self, rng, batch):
        keys = jax.random.split(rng, 3)
        params = {
            "mix": {"kernel": jax.random.normal(keys[0], (3, 3))},
            "shift": jnp.zeros(3),
            "held": {"kernel": jax.random.normal(keys[1], (64, 128))},
        }
        return {"params": params, "seen": {"count": jnp.int32(0)}}

    def _predict(self, params, lq):
        return lq @ params["mix"]["kernel"] + params["shift"] + 0 * params["held"]["kernel"][0, 0]

    def loss(self, params, aux, batch, rng):
        noise = 0.01 * jax.random.normal(rng, batch["hq"].shape)
        error = self._predict(params, batch["lq"]) - batch["hq"] + noise
        aux = {"seen": {"count": aux["seen"]["count"] + 1}}
        return base.LossOut(jnp.mean(error**2), {"error": jnp.mean(jnp.abs(error))}, aux)

    def evaluate(self, params, aux, batch, rng):
        error = jnp.abs(self._predict(params, batch["lq"]) - batch["hq"]).mean((1, 2, 3, 4))
        weight = batch.get("weight", jnp.ones(len(error)))
        return {"error": mean.Mean.of(error, weight)}

    def pictures(self, params, aux, batch, rng):
        return {"lq": np.zeros((4, 4, 3), np.uint8)}


def rows(seed: int, index: int, size: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([seed, index])
    lq = rng.random((size, *SHAPE, 3), np.float32)
    return {"lq": lq, "hq": (0.5 * lq[..., ::-1] + 0.25).astype(np.float32)}


class Loader:
    """An endless loader whose position can be read and set."""

    def __init__(self, seed=0, size=8, poison=()):
        self.seed, self.size, self.index, self.poison = seed, size, 0, poison

    def __next__(self):
        batch = rows(self.seed, self.index, self.size)
        if self.index in self.poison:
            batch["hq"] = np.full_like(batch["hq"], np.nan)
        self.index += 1
        return batch

    def get_state(self):
        return {"next_index": self.index}

    def set_state(self, value):
        self.index = value["next_index"]


def device_rows(constants, step):
    lq = jax.random.uniform(jax.random.fold_in(jax.random.key(7), step), (8, *SHAPE, 3))
    return {"lq": lq, "hq": 0.5 * lq[..., ::-1] + constants["offset"]}


def eval_rows():
    yield rows(77, 0, 8)
    yield inputs.pad(rows(77, 1, 3), 8)


def experiment(*, devices=1, data=None, steps=STEPS, axes=None, frozen=("held/.*",), **parts):
    settings = optimizer.OptimizerConfig(lr=0.05, schedule="constant", frozen=frozen, ema_decay=0.5)
    mesh = sharding.make_mesh(axes or {"data": -1, "fsdp": 1}, jax.devices()[:devices])
    plain = {"checkpoint": {"every": 4}, "seed": 0, "train": {"steps": steps, "batch_size": 8}}
    defaults = dict(
        config=plain,
        task=Toy(),
        optimizer=optimizer.make_optimizer(settings, steps),
        data=data or data_feed.HostData(Loader),
        example=inputs.zeros(Toy.inputs, dict(zip("bfhw", (8, *SHAPE), strict=True))),
        mesh=mesh,
        seed=0,
        train=setup.TrainConfig(steps=steps, batch_size=8, max_bad_steps=3),
        partition=state.ParameterPartition(frozen=frozen),
        eval=evaluate.EvalConfig(every=0),
        eval_sets={"toy": eval_rows},
        checkpoint=setup.CheckpointConfig(every=4),
        log=writer.LogConfig(every=1, pictures_every=0, tensorboard=False),
        write_image=lambda path, image: Path(path).write_bytes(image.tobytes()),
    )
    return setup.Experiment(**{**defaults, **parts})
