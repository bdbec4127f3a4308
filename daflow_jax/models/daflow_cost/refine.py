"""RAFT's refinement with a second volume, whose look-ups enter the motion encoder by themselves."""

import dataclasses
import functools
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.models.raft import gru, refine
from daflow_jax.models.raft.model import RAFT
from daflow_jax.nn import conv, loop
from daflow_jax.ops import coords, correlation


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Costs(correlation.Pyramid):
    """Pyramids of RAFT's volume and of the second one, alternating along pairs (2 p of them).

    reach: (p,) what the motion is multiplied by where the second volume is looked up: 1, or -1 and
        2 for the frame before and the one after next.
    """

    reach: Any


def joined(first: correlation.Pyramid, second: correlation.Pyramid, reach: Any) -> Costs:
    """Returns two pyramids of p pairs as one of 2 p."""

    def both(a, b):
        return jnp.stack([a, b], axis=1).reshape(2 * a.shape[0], *a.shape[1:])

    levels = tuple(both(a, b) for a, b in zip(first.levels, second.levels, strict=True))
    return Costs(levels, first.spare, reach)


class SecondInput(nn.Module):
    """Parameters of the second volume's input: 1 x 1, ReLU, and 3 x 3 that starts at zero."""

    layers: tuple[int, int, int]
    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self) -> dict[str, loop.Kernel]:
        looked_up, hidden, motion = self.layers
        zeros = nn.initializers.zeros
        first = conv.Conv(hidden, (1, 1), param_dtype=self.param_dtype, name="conv1")
        last = conv.Conv(
            motion, kernel_init=zeros, bias_init=zeros, param_dtype=self.param_dtype, name="conv2"
        )
        return {"conv1": first.parameters(looked_up), "conv2": last.parameters(hidden)}


class CostRefiner(refine.Refiner):
    """RAFT's update operator with one more input. A new one equals RAFT's to the bit."""

    branch: int = 0

    def setup(self):
        super().setup()
        looked_up = self.levels * (2 * self.radius + 1) ** 2
        layers = refine.motion_layers(looked_up, self.small)
        hidden = self.branch or layers["convc1"][0]
        self.second = SecondInput((looked_up, hidden, layers["conv"][0]), self.param_dtype)

    def _loop_kernels(self) -> dict[str, loop.Kernel]:
        own = {f"second/{name}": pair for name, pair in self.second().items()}
        own = jax.tree.map(
            lambda x: x.astype(self.dtype or jnp.promote_types(x.dtype, jnp.float32)), own
        )
        return super()._loop_kernels() | own

    def states(self, corr: Any, net, context, flow, iters, all_iterations=False):
        """Returns the states as RAFT's, of `Costs` in place of a pyramid."""
        grid = coords.pixel_grid(*flow.shape[1:3])
        terms: dict[str, Any] = {n: cell.context_terms(context) for n, cell in self.grus.items()}
        start = refine.RefineState(net.astype(terms[next(iter(terms))].gates.dtype), grid + flow)
        step = functools.partial(_step, self.radius, self.lookup)
        plan = loop.Plan(step, iters, all_iterations)
        terms = {"cells": terms, "reach": corr.reach}
        volumes = correlation.Pyramid(corr.levels, corr.spare)
        found = loop.refine_scan(plan, self._loop_kernels(), volumes, terms, start)
        return cast(refine.RefineState, found)


class CostRAFT(RAFT):
    """RAFT around `CostRefiner`; parameters keep RAFT's paths, new ones are `update/second/...`."""

    branch: int = 0

    def refiner(self, *sizes: Any, **kinds: Any) -> refine.Refiner:
        """Returns the update operator."""
        return CostRefiner(*sizes, branch=self.branch, **kinds)


def _step(radius, implementation, tape, corr, terms, state) -> refine.RefineState:
    """Returns the state after one iteration, as RAFT's `refine_step`."""
    target = jax.lax.stop_gradient(state.target)
    moved = target - coords.pixel_grid(*target.shape[1:3])
    second = target + (terms["reach"][:, None, None, None] - 1) * moved
    pairs = jnp.stack([target, second], axis=1).reshape(-1, *target.shape[1:])
    windows = tape.lookup(corr, pairs, radius, implementation).astype(state.net.dtype)
    windows = windows.reshape(-1, 2, *windows.shape[1:])
    flow = moved.astype(state.net.dtype)
    motion = _encode(tape, windows[:, 0], windows[:, 1], flow)
    net = state.net
    for name, term in cast(dict[str, gru.ContextTerms], terms["cells"]).items():
        net = gru.update(tape, name, net, motion, term)
    delta = tape.conv("flow_head/conv2", nn.relu(tape.conv("flow_head/conv1", net)))
    return refine.RefineState(net, target + delta.astype(jnp.float32))


def _encode(tape: loop.Tape, corr, second, flow) -> Float[Array, "p h w m"]:
    """Returns RAFT's motion features; what the second volume says is added before the last ReLU."""
    corr = nn.relu(tape.conv("encoder/convc1", corr))
    if "encoder/convc2" in tape.kernels:
        corr = nn.relu(tape.conv("encoder/convc2", corr))
    motion = nn.relu(tape.conv("encoder/convf1", flow))
    motion = nn.relu(tape.conv("encoder/convf2", motion))
    both = jnp.concatenate([corr, motion], axis=-1)
    own = tape.conv("second/conv2", nn.relu(tape.conv("second/conv1", second)))
    return jnp.concatenate([nn.relu(tape.conv("encoder/conv", both) + own), flow], axis=-1)
