"""SEA-RAFT's refinement: a regressed start, ConvNeXt updates, a mixture of Laplace per pixel."""

import functools
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.raft import refine
from daflow_jax.models.sea_raft import convnext
from daflow_jax.nn import loop
from daflow_jax.ops import coords, correlation, upsample


class State(NamedTuple):
    """net: (p, h, w, hidden). target: (p, h, w, 2) float32, each pixel's place in frame 2.

    info: (p, h, w, 4) float32, the mixture that goes with the flow.
    """

    net: Float[Array, "*m p h w d"]
    target: Float[Array, "*m p h w 2"]
    info: Float[Array, "*m p h w 4"]


class Terms(NamedTuple):
    """Constants of the loop that it does not apply through its tape."""

    context: Float[Array, "p h w c"]
    blocks: dict[str, convnext.BlockTerms]


class Refiner(nn.Module):
    """The update operator of SEA-RAFT and its loop (SEA-RAFT, sec. 3.3 and 3.4).

    The mask head and the upsampling do not feed back, so they run after the loop.
    """

    hidden: int
    context: int
    num_blocks: int
    levels: int
    radius: int
    lookup: str
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        layers = refine.motion_layers(self.levels * (2 * self.radius + 1) ** 2, small=False)
        self.encoder = refine.ConvStack(layers, self.param_dtype)
        inputs = self.hidden + self.context + layers["conv"][0] + 2
        self.blocks = {
            f"block{i}": convnext.ConvNeXt(inputs, self.hidden, self.param_dtype, name=f"block{i}")
            for i in range(self.num_blocks)
        }
        wide = 2 * self.hidden
        head = {"conv1": (wide, (3, 3), self.hidden), "conv2": (6, (3, 3), wide)}
        self.flow_head = refine.ConvStack(head, self.param_dtype)
        self.mask_head = refine.TwoConvs(wide, 576, self.dtype, self.param_dtype)

    def _constants(self) -> tuple[dict[str, loop.Kernel], dict[str, convnext.BlockTerms]]:
        kernels = {f"encoder/{name}": pair for name, pair in self.encoder().items()}
        kernels |= {f"flow_head/{name}": pair for name, pair in self.flow_head().items()}
        blocks = {}
        for name, block in self.blocks.items():
            pairs, blocks[name] = block()
            kernels |= {f"{name}/{layer}": pair for layer, pair in pairs.items()}
        # exported weights are NumPy arrays, which only loops turn into arrays of their own accord
        return jax.tree.map(lambda x: jnp.asarray(x, self.dtype), (kernels, blocks))

    def states(
        self,
        corr: correlation.Pyramid,
        context: Float[Array, "p h w c"],
        flow: Float[Array, "p h w 2"] | None,
        iters: int,
        all_iterations: bool = False,
    ) -> State:
        """Returns the state after each of `iters` updates behind the start, or the last one only.

        Args:
            context: hidden state and context, concatenated.
            flow: start on the 1/8 grid in its own pixels; None regresses it.
        """
        kernels, blocks = self._constants()
        net, context = jnp.split(context, [self.hidden], axis=-1)
        regressed, info = head(loop.Tape(kernels), net)
        grid = coords.pixel_grid(*net.shape[1:3])
        start = State(net, grid + (regressed if flow is None else flow), info)
        step = functools.partial(refine_step, self.radius, self.lookup)
        plan = loop.Plan(step, iters, all_iterations)
        after = loop.refine_scan(plan, kernels, corr, Terms(context, blocks), start)
        if not all_iterations:
            return cast(State, after)
        return jax.tree.map(lambda x, xs: jnp.concatenate([x[None], xs]), start, after)

    def __call__(self, *args: Any, **options: Any) -> tuple[Array, Array, Array]:
        """Returns (flows (m, p, h*8, w*8, 2) in pixels, infos (m, p, h*8, w*8, 4), last flow on the
        1/8 grid) of the `states` with the same arguments."""
        state = self.states(*args, **options)
        m, p = state.target.shape[:2]
        flow = state.target - coords.pixel_grid(*state.target.shape[2:4])
        both = jnp.concatenate([upsample.FACTOR * flow, state.info], axis=-1)
        nets, both = (x.reshape(m * p, *x.shape[2:]) for x in (state.net, both))
        # 0.25 balances gradients (RAFT's code)
        fine = upsample.convex_upsample(both, 0.25 * self.mask_head(nets), scale=1.0)
        flows, infos = jnp.split(fine.reshape(m, p, *fine.shape[1:]), [2], axis=-1)
        return flows, infos, flow[-1]


def refine_step(
    radius: int,
    implementation: str,
    tape: loop.Tape,
    corr: correlation.Pyramid,
    terms: Terms,
    state: State,
) -> State:
    """Returns the state after one update; no gradient passes the coordinates."""
    target = jax.lax.stop_gradient(state.target)
    window = tape.lookup(corr, target, radius, implementation).astype(state.net.dtype)
    flow = (target - coords.pixel_grid(*target.shape[1:3])).astype(state.net.dtype)
    motion = refine.encode_motion(tape, window, flow)
    net = state.net
    for name, block in terms.blocks.items():
        inputs = jnp.concatenate([net, terms.context, motion], axis=-1)
        net = convnext.apply(tape, name, block, inputs)
    delta, info = head(tape, net)
    return State(net, target + delta, info)


def head(
    tape: loop.Tape, net: Float[Array, "p h w d"]
) -> tuple[Float[Array, "p h w 2"], Float[Array, "p h w 4"]]:
    """Returns the change of the flow and the mixture, float32."""
    out = tape.conv("flow_head/conv2", nn.relu(tape.conv("flow_head/conv1", net)))
    out = out.astype(jnp.float32)
    return out[..., :2], out[..., 2:]
