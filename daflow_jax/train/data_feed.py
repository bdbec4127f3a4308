"""Where batches come from: a host loader, or a function that makes them inside the jitted step."""

import base64
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
from jax.sharding import Mesh

from daflow_jax import errors, sharding
from daflow_jax.tasks import inputs
from daflow_jax.train import state as states
from daflow_jax.train import step as steps

Result = tuple[states.TrainState, steps.Metrics]


class HostData(NamedTuple):
    """`open()` returns an iterator of this process's rows (NumPy) with `get_state` and
    `set_state`.
    """

    open: Callable[[], Any]


class DeviceData(NamedTuple):
    """`make(constants, step)` returns the global batch of a step; pure, traced inside the
    step.
    """

    make: Callable[[Any, jax.Array], dict]
    constants: Any


@runtime_checkable
class Feed(Protocol):
    """Runs the next step or steps; `wait` is the time spent waiting for data, in seconds."""

    wait: float
    steps_per_call: int

    def __call__(self, state: states.TrainState) -> Result: ...

    def get_state(self) -> Any: ...

    def set_state(self, value: Any) -> None: ...


def make_feed(
    data: HostData | DeviceData,
    step: steps.Step,
    mesh: Mesh,
    like,
    steps_per_call: int = 1,
    declared: inputs.Inputs | None = None,
) -> Feed:
    """Returns the feed of a run whose states look like `like` (ShapeDtypeStructs with
    shardings); the first batch of a loader is checked against what the task has `declared`.
    """
    if isinstance(data, DeviceData):
        return DeviceFeed(data, step, mesh, like, steps_per_call)
    if steps_per_call != 1:
        raise errors.UserError(
            "config.train.steps_per_call",
            "is for data made on the device",
            "Set data.source to 'device', or 1",
        )
    return HostFeed(data, step, mesh, like, declared)


class HostFeed:
    """Steps on batches of a loader; the first is checked value by value where it is known how."""

    steps_per_call = 1

    def __init__(
        self, data: HostData, step: steps.Step, mesh: Mesh, like, declared: inputs.Inputs | None
    ):
        self._iterator, self._mesh, self.wait, self._unchecked = data.open(), mesh, 0.0, declared
        places = shardings(like)
        self.jitted = jax.jit(
            step,
            donate_argnums=0,
            in_shardings=(places, sharding.batch_sharding(mesh)),
            out_shardings=(places, sharding.replicated(mesh)),
        )

    def __call__(self, state: states.TrainState) -> Result:
        start = time.monotonic()
        rows = next(self._iterator)
        self.wait += time.monotonic() - start
        if self._unchecked is not None:
            inputs.check(self._unchecked, rows)
            self._unchecked = None
        return self.jitted(state, sharding.place_batch(rows, self._mesh))

    def get_state(self) -> Any:
        """Returns the loader's position as JSON-able data."""
        value = self._iterator.get_state()
        return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value

    def set_state(self, value: Any) -> None:
        """Moves the loader to a position that `get_state` returned."""
        if isinstance(value, dict) and set(value) == {"base64"}:
            value = base64.b64decode(value["base64"])
        self._iterator.set_state(value)


class DeviceFeed:
    """Makes the batch of a step from its number on the device; several steps may share one call."""

    def __init__(self, data: DeviceData, step: steps.Step, mesh: Mesh, like, steps_per_call: int):
        self.steps_per_call, self.wait, self._constants = steps_per_call, 0.0, data.constants
        places, whole = shardings(like), sharding.replicated(mesh)

        def one(constants, state, _):
            rows = jax.lax.with_sharding_constraint(
                data.make(constants, state.step), sharding.batch_sharding(mesh)
            )
            return step(state, rows)

        def several(state, constants):
            body = functools.partial(one, constants)
            if steps_per_call == 1:
                return body(state, None)
            return jax.lax.scan(body, state, None, length=steps_per_call)  # metrics: one row a step

        self.jitted = jax.jit(
            several, donate_argnums=0, in_shardings=(places, whole), out_shardings=(places, whole)
        )

    def __call__(self, state: states.TrainState) -> Result:
        return self.jitted(state, self._constants)

    def get_state(self) -> Any:
        """Returns None: the step is the position."""

    def set_state(self, value: Any) -> None:
        """Does nothing: the step is the position."""


def shardings(like) -> Any:
    """Returns the sharding of every leaf."""
    return jax.tree.map(lambda leaf: leaf.sharding, like)
