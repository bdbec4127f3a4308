"""Tasks with two networks, with a teacher, and with an input of their own, as others would write
them."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import models, tasks
from daflow_jax.metrics import mean
from daflow_jax.tasks.inputs import FRAMES, Input


@dataclasses.dataclass(frozen=True)
class ShiftConfig:
    """Of a network that predicts one frame between two."""

    width: int = 4
    remat: bool = False  # read by nothing: what counting must turn off
    frames: int = 2
    multiple: int = 4
    minimum: int = 16
    any_time: bool = True


class Shift(nn.Module):
    """A convolution of two frames and the time between them."""

    config: ShiftConfig
    dtype: object = None
    param_dtype: object = jnp.float32

    @nn.compact
    def __call__(self, pairs, times):
        x = jnp.concatenate([pairs[:, 0], pairs[:, 1]], -1)
        x = x + times[:, None, None, None]
        x = nn.Conv(self.config.width, (3, 3), name="stem")(x)
        return nn.Conv(3, (3, 3), name="head")(nn.relu(x))


def _example(config):
    frames = jax.ShapeDtypeStruct((1, 2, config.minimum, config.minimum, 3), "float32")
    return models.Example((frames, jax.ShapeDtypeStruct((1,), "float32")))


SHIFT = models.Entry(
    family="test_shift",
    kind="interpolation",
    config=ShiftConfig,
    module=Shift,
    presets={"test-shift": ShiftConfig(), "test-shift-wide": ShiftConfig(width=8)},
    example=_example,
)


@dataclasses.dataclass(frozen=True)
class Between(tasks.BaseTask):
    """The frame at a time between two, by a student that also follows a frozen helper, and whose
    average is a teacher.
    """

    module: tasks.Network
    helper: tasks.Network
    momentum: float = 0.5
    best = "-error"
    work_unit = "image"
    inputs = {"hq": FRAMES, "time": Input("b", unit="[0, 1]")}

    def init(self, rng, batch):
        pairs, times = self._pairs(batch), batch["time"]
        params = {
            name: getattr(self, name).init(rng, pairs, times)["params"]
            for name in ("module", "helper")
        }
        return {"params": params, "teacher": jax.tree.map(jnp.copy, params["module"])}

    def loss(self, params, aux, batch, rng):
        out = self._call(params, batch)
        helped = self.helper.apply({"params": params["helper"]}, self._pairs(batch), batch["time"])
        loss = jnp.mean((out - batch["hq"][:, 1]) ** 2) + 0.1 * jnp.mean((out - helped) ** 2)
        return tasks.LossOut(loss, {}, aux)

    def evaluate(self, params, aux, batch, rng):
        error = jnp.abs(self._call(params, batch) - batch["hq"][:, 1]).mean((1, 2, 3))
        return {"error": mean.Mean.of(error, batch["weight"])}

    def update_aux(self, aux, params, step):
        keep = self.momentum
        move = lambda old, new: keep * old + (1 - keep) * new  # noqa: E731
        return {"teacher": jax.tree.map(move, aux["teacher"], params["module"])}

    def exported(self, params, aux):
        trees = {"": params["module"], "teacher": aux["teacher"], "helper": params["helper"]}
        return {name: {"params": tree} for name, tree in trees.items()}

    def _call(self, params, batch):
        return self.module.apply({"params": params["module"]}, self._pairs(batch), batch["time"])

    def _pairs(self, batch):
        return batch["hq"][:, ::2]


class Clips:
    """Three frames of growing brightness; the middle one stands at `time`."""

    def __init__(self, config):
        self._config = config

    def __len__(self):
        return 1000

    def __getitem__(self, index):
        scene = self._config.scene
        rng = np.random.default_rng([self._config.seed % 2**32, int(index)])
        time = np.float32(rng.uniform(0.2, 0.8))
        frame = rng.random((scene.height, scene.width, 3), np.float32) / 2
        frames = np.stack([frame, frame + time / 2, frame + np.float32(0.5)])
        return {"index": np.int64(index), "hq": frames, "time": time}
