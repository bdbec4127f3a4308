"""Recurrent refinement: look up, encode motion, update, repeat (RAFT, sec. 3.3), as one scan.

The modules here own the parameters; the loop itself is a pure function of their kernels, so that
`daflow_jax.nn.loop` can take the gradients of the kernels after the loop instead of inside it.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.raft import gru
from daflow_jax.nn import conv, loop
from daflow_jax.ops import coords, correlation, upsample

# [choice] what a new head of the mixture says everywhere: equal weights, scales of e px and 1 px.
# With both at 1 px, the border of what is clipped, weights have no gradient and a wide scale that
# falls below has none ever after.
NEW_MIXTURE = (0.0, 0.0, 1.0, 0.0)


class RefineState(NamedTuple):
    """net: (p, h, w, hidden); target: (p, h, w, 2) float32, each pixel's place in frame 2."""

    net: Float[Array, "*m p h w d"]
    target: Float[Array, "*m p h w 2"]


class ConvStack(nn.Module):
    """Parameters of several convolutions: name -> (features, kernel size, input channels)."""

    layers: Mapping[str, tuple[int, tuple[int, int], int]]
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self) -> dict[str, loop.Kernel]:
        return {
            name: conv.Conv(features, size, param_dtype=self.param_dtype, name=name).parameters(
                inputs
            )
            for name, (features, size, inputs) in self.layers.items()
        }


def motion_layers(corr: int, small: bool) -> dict[str, tuple[int, tuple[int, int], int]]:
    """Returns the motion encoder's convolutions for `corr` looked-up correlations."""
    if small:
        first = {"convc1": (96, (1, 1), corr)}
        return first | {
            "convf1": (64, (7, 7), 2),
            "convf2": (32, (3, 3), 64),
            "conv": (80, (3, 3), 128),
        }
    first = {"convc1": (256, (1, 1), corr), "convc2": (192, (3, 3), 256)}
    return first | {
        "convf1": (128, (7, 7), 2),
        "convf2": (64, (3, 3), 128),
        "conv": (126, (3, 3), 256),
    }


class TwoConvs(nn.Module):
    """3 x 3, ReLU, 1 x 1: the mask head, and the head of the mixture.

    `start` is what a new head returns everywhere; None draws its last convolution as PyTorch does.
    """

    hidden: int
    features: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32
    start: tuple[float, ...] | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "p h w i"]) -> Float[Array, "p h w o"]:
        make = functools.partial(conv.Conv, dtype=self.dtype, param_dtype=self.param_dtype)
        x = nn.relu(make(self.hidden, name="conv1")(x))
        last = functools.partial(make, self.features, (1, 1), name="conv2")
        if self.start is None:
            return last()(x)
        return last(kernel_init=nn.initializers.zeros, bias_init=_constants(self.start))(x)


def _constants(values: tuple[float, ...]) -> nn.initializers.Initializer:
    return lambda rng, shape, dtype: jnp.broadcast_to(jnp.asarray(values, dtype), shape)


class Refiner(nn.Module):
    """The update operator of RAFT (`small=False`) or RAFT-small, and its loop.

    The context's part of the gates is computed once, before the loop. The mask head, the head of
    the mixture (`uncertainty`) and the upsampling do not feed back, so they run after it: once, or
    on all iterations together.
    """

    hidden: int
    context: int
    levels: int
    radius: int
    small: bool
    lookup: str
    uncertainty: bool = False
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        layers = motion_layers(self.levels * (2 * self.radius + 1) ** 2, self.small)
        self.encoder = ConvStack(layers, self.param_dtype)
        motion = layers["conv"][0] + 2
        make = functools.partial(gru.ConvGRU, self.hidden, self.context, motion, **kinds)
        if self.small:
            self.grus = {"gru": make((3, 3), name="gru")}
        else:
            passes = (("1", (1, 5)), ("2", (5, 1)))
            self.grus = {f"gru{i}": make(size, i, name=f"gru{i}") for i, size in passes}
        width = 128 if self.small else 256
        flow_layers = {"conv1": (width, (3, 3), self.hidden), "conv2": (2, (3, 3), width)}
        self.flow_head = ConvStack(flow_layers, self.param_dtype)
        if not self.small:
            self.mask_head = TwoConvs(256, 576, **kinds)
        if self.uncertainty:
            self.info_head = TwoConvs(width, 4, start=NEW_MIXTURE, **kinds)

    def _loop_kernels(self) -> dict[str, loop.Kernel]:
        kernels = {f"encoder/{name}": pair for name, pair in self.encoder().items()}
        kernels |= {f"flow_head/{name}": pair for name, pair in self.flow_head().items()}
        for name, cell in self.grus.items():
            gates, candidate = cell.loop_kernels()
            kernels |= {f"{name}/gates": gates, f"{name}/candidate": candidate}
        # without a dtype, 16-bit weights are widened as `promote_dtype` does in the other layers
        return jax.tree.map(
            lambda x: x.astype(self.dtype or jnp.promote_types(x.dtype, jnp.float32)), kernels
        )

    def upsample(
        self, net: Float[Array, "p h w d"], flow: Float[Array, "p h w 2"]
    ) -> tuple[Float[Array, "p h*8 w*8 2"], Float[Array, "p h*8 w*8 4"] | None]:
        """Returns flow in pixels from flow on the 1/8 grid, and the mixture if there is a head.

        The head's log scales are of errors in pixels of the frames, so unlike flow they are not
        multiplied by 8 (SEA-RAFT's code).
        """
        info = self.info_head(net).astype(jnp.float32) if self.uncertainty else None
        if self.small:
            return upsample.upflow(flow), None if info is None else upsample.upflow(info, 1.0)
        mask = 0.25 * self.mask_head(net)  # 0.25 balances gradients (RAFT's code)
        fine = upsample.convex_upsample(flow, mask)
        return fine, None if info is None else upsample.convex_upsample(info, mask, scale=1.0)

    def states(
        self,
        corr: correlation.Pyramid,
        net: Float[Array, "p h w d"],
        context: Float[Array, "p h w c"],
        flow: Float[Array, "p h w 2"],
        iters: int,
        all_iterations: bool = False,
    ) -> RefineState:
        """Returns the state after every iteration, or after the last one only.

        Args:
            flow: initial flow on the 1/8 grid, in its pixels.
            all_iterations: m is `iters`, for the training loss; otherwise 1.
        """
        grid = coords.pixel_grid(*flow.shape[1:3])
        terms = {name: cell.context_terms(context) for name, cell in self.grus.items()}
        step = functools.partial(refine_step, self.radius, self.lookup)
        plan = loop.Plan(step, iters, all_iterations)
        start = RefineState(net.astype(terms[next(iter(terms))].gates.dtype), grid + flow)
        return cast(RefineState, loop.refine_scan(plan, self._loop_kernels(), corr, terms, start))

    def __call__(self, *args: Any, **options: Any) -> tuple[Array, Array, Array | None]:
        """Returns (flows (m, p, h*8, w*8, 2) in pixels, last flow on the 1/8 grid (p, h, w, 2),
        mixtures (m, p, h*8, w*8, 4) or None) of the `states` with the same arguments."""
        state = self.states(*args, **options)
        flows = state.target - coords.pixel_grid(*state.target.shape[2:4])
        m, p = flows.shape[:2]
        nets, merged = (x.reshape(m * p, *x.shape[2:]) for x in (state.net, flows))
        fine, info = self.upsample(nets, merged)
        if info is not None:
            info = info.reshape(m, p, *info.shape[1:])
        return fine.reshape(m, p, *fine.shape[1:]), flows[-1], info


def refine_step(
    radius: int,
    implementation: str,
    tape: loop.Tape,
    corr: correlation.Pyramid,
    terms: dict[str, gru.ContextTerms],
    state: RefineState,
) -> RefineState:
    """Returns the state after one iteration; no gradient passes the coordinates (RAFT's code)."""
    target = jax.lax.stop_gradient(state.target)
    window = tape.lookup(corr, target, radius, implementation).astype(state.net.dtype)
    flow = (target - coords.pixel_grid(*target.shape[1:3])).astype(state.net.dtype)
    motion = encode_motion(tape, window, flow)
    net = state.net
    for name, term in terms.items():
        net = gru.update(tape, name, net, motion, term)
    delta = tape.conv("flow_head/conv2", nn.relu(tape.conv("flow_head/conv1", net)))
    return RefineState(net, target + delta.astype(jnp.float32))


def encode_motion(
    tape: loop.Tape, corr: Float[Array, "p h w k"], flow: Float[Array, "p h w 2"]
) -> Float[Array, "p h w m"]:
    """Returns features of the looked-up correlations and of the flow, which is appended itself."""
    corr = nn.relu(tape.conv("encoder/convc1", corr))
    if "encoder/convc2" in tape.kernels:  # RAFT-small has one convolution here
        corr = nn.relu(tape.conv("encoder/convc2", corr))
    motion = nn.relu(tape.conv("encoder/convf1", flow))
    motion = nn.relu(tape.conv("encoder/convf2", motion))
    both = jnp.concatenate([corr, motion], axis=-1)
    return jnp.concatenate([nn.relu(tape.conv("encoder/conv", both)), flow], axis=-1)
