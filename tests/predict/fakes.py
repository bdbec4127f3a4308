"""Networks without weights that tell what they saw, and programs that watch what they are given."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import models, predict
from daflow_jax.models.outputs import FlowOutput
from daflow_jax.predict import memory


@dataclasses.dataclass(frozen=True)
class Config:
    """Of a network on a grid of eighths, as RAFT has."""

    frames: int = 2
    multiple: int = 8
    minimum: int = 128
    stride: int = 8
    uncertainty: bool = False


class Mean:
    """Flow x is the change of the mean brightness, y the row number."""

    def __init__(self, **config):
        self.config = Config(**config)
        self.seen: list[tuple[int, int]] = []  # sizes, when traced

    def apply(self, variables, clips, init_flow=None, rngs=None):
        b, f, h, w, _ = clips.shape
        self.seen.append((h, w))
        means = clips.mean(axis=(2, 3, 4))
        x = jnp.broadcast_to(jnp.diff(means, axis=1)[:, :, None, None], (b, f - 1, h, w))
        y = jnp.broadcast_to(jnp.arange(h, dtype=jnp.float32)[:, None], x.shape)
        flow = jnp.stack([x, y], -1)
        return FlowOutput(flow[None], flow[:, :, ::8, ::8] / 8)


class Patient(Mean):
    """Stays where it starts, and starts at a sixteenth of the width to the right."""

    def apply(self, variables, clips, init_flow=None, rngs=None):
        b, f, h, w, _ = clips.shape
        self.seen.append((h, w))
        if init_flow is None:
            right = jnp.array([w / 128, 0.0])
            init_flow = jnp.broadcast_to(right, (b, f - 1, h // 8, w // 8, 2))
        return FlowOutput(8 * init_flow.repeat(8, 2).repeat(8, 3)[None], init_flow)


class Watched(predict.Programs):
    """Keeps what the programs are given and where it was; runs out of memory where told to.

    most: pairs at once; pixels: of frames.
    """

    def __init__(self, module: Any, device: str = "cpu", most: int = 99, pixels: int = 10**9):
        self.logged: list[str] = []
        place = predict.Placement(predict.devices.find_device(device))
        super().__init__(module, {}, place, log=lambda line, end="\n": self.logged.append(line))
        self.given: list[tuple[Any, ...]] = []
        self.most, self.pixels = most, pixels
        self.failure: type[Exception] = memory.OutOfMemory

    def __call__(self, make, plan, what, *inputs):
        b, f, h, w, _ = inputs[0].shape
        if b * (f - 1) > self.most or h * w > self.pixels:
            text = f"{h}x{w}, batch {b * (f - 1)} needs 9.0 GB, 1.0 GB is free"
            raise self.failure(text) if self.failure is memory.OutOfMemory else self.failure()
        self.given.append(jax.tree.map(np.asarray, inputs))
        return super().__call__(make, plan, what, *inputs)

    @property
    def clips(self) -> list[np.ndarray]:
        """The clips that were run, in order."""
        return [inputs[0] for inputs in self.given]

    @property
    def starts(self) -> list[np.ndarray | None]:
        """Where each of them started."""
        return [inputs[1] for inputs in self.given]


@pytest.fixture(scope="module")
def registered():
    """Registers the networks while a module of tests runs."""
    entry = models.Entry(
        family="fake", kind="flow", config=Config, module=Mean, presets={}, refines=True,
        example=lambda config: models.Example(
            (jax.ShapeDtypeStruct((1, 2, 128, 128, 3), "float32"),)
        ),
    )  # fmt: skip
    models.register(entry)
    yield entry
    del models.ENTRIES["fake"]


def estimator(programs: Watched, *scales: float, **layout) -> predict.Estimator:
    """Returns the estimator of a fake network."""
    return predict.Estimator(programs, layout=predict.Layout(**layout), scales=scales)


def ramp(count: int, size: tuple[int, int] = (128, 128)) -> np.ndarray:
    """Returns frames whose brightness is 0, 0.01, 0.04, 0.09, ..."""
    values = 0.01 * np.arange(count, dtype=np.float32) ** 2
    return np.ones((count, *size, 3), np.float32) * values[:, None, None, None]
