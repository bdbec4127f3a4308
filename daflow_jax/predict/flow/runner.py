"""One compiled network per size and batch: compiles with a message, watches memory."""

import functools
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.models.outputs import FlowOutput
from daflow_jax.ops import laplace
from daflow_jax.predict import program as programs
from daflow_jax.predict.placement import Placement
from daflow_jax.sharding import axes


class Options(NamedTuple):
    """What one call asks for; each different value compiles its own program.

    iters: refinement steps. all_iterations: keep the flow after each. denoise_steps, tap_step: of
    models with a diffusion backbone, None means the model's default.
    """

    iters: int = 12
    all_iterations: bool = False
    denoise_steps: int | None = None
    tap_step: Any = None

    def diffusion(self) -> dict[str, Any]:
        """Returns the settings that only diffusion models take, without those left to the model."""
        settings = {"denoise_steps": self.denoise_steps, "tap_step": self.tap_step}
        return {name: value for name, value in settings.items() if value is not None}


class Result(NamedTuple):
    """Flow of n pairs at the size of the frames, float32 pixels; None where not asked for.

    flow: (n, h, w, 2), frame k to k+1. backward: (n, h, w, 2), frame k+1 to k on its own grid.
    occlusion: (n, h, w) bool, True = hidden in frame k+1. confidence: (n, h, w) float32 0..1.
    iterations: (m, n, h, w, 2), the flow after each refinement step.
    uncertainty: (n, h, w) float32, of networks that predict it: the expected log of the error's
        scale in pixels, 0 where the network is sure (at the size that it saw).
    """

    flow: np.ndarray
    backward: np.ndarray | None = None
    occlusion: np.ndarray | None = None
    confidence: np.ndarray | None = None
    iterations: np.ndarray | None = None
    uncertainty: np.ndarray | None = None


# Of all runners that live. Seeds of one experiment share their programs: a program takes up to a
# thousand memory maps, of which Linux gives a process 65,530.
_shared: weakref.WeakValueDictionary[Any, programs.Program] = weakref.WeakValueDictionary()


class Runner:
    """Runs one network on padded clips.

    Args:
        module, variables: a flow network and its weights.
        place: one device, or several that share a clip.
        seed: of the noise that diffusion models start from; every window starts from the same.
        tell: called like `print` with text about compiling and memory.
    """

    def __init__(
        self,
        module: Any,
        variables: Any,
        place: Placement,
        seed: int = 0,
        precision: str | None = "highest",
        tell: Callable[..., None] = lambda line, end="\n": None,
    ):
        self.module, self.config, self.place, self.tell = module, module.config, place, tell
        self.precision = precision
        self.variables = jax.device_put(variables, place.variables(module, variables))
        self.key = jax.device_put(jax.random.key(seed), place.whole())
        self.compile_seconds = 0.0
        self.peak_bytes = 0
        leaves, tree = jax.tree.flatten(self.variables)
        kinds = tuple((x.shape, x.dtype, x.sharding) for x in leaves)
        self._network = module, place, precision, tree, kinds
        self._own: dict[Any, programs.Program] = {}

    def __call__(
        self, clips: np.ndarray, options: Options, init_flow: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns flows (m, b, f-1, h, w, 2) and the last flow at 1/8, (b, f-1, h/8, w/8, 2).

        Networks that predict their uncertainty add it to the flows as a third channel.

        Args:
            clips: float32 (b, f, h, w, 3) in [0, 1], padded.
            init_flow: (b, f-1, h/8, w/8, 2) on the 1/8 grid, or None for zero.
        """
        program = self._program(clips.shape, options, init_flow is not None)
        given = (clips,) if init_flow is None else (clips, init_flow)
        placed = (jax.device_put(x, self.place.clips(x.shape)) for x in given)
        flows, low = program.call(self.variables, self.key, *placed)
        return np.asarray(flows), np.asarray(low)

    def _program(self, shape, options, has_init):
        signature = (shape, options, has_init)
        if signature not in self._own:
            key = (*self._network, *signature)
            program = _shared.get(key)
            if program is None:
                program = _shared[key] = self._compile(*signature)
                self.compile_seconds += program.seconds
            self.peak_bytes = max(self.peak_bytes, program.need)
            self._own[signature] = program
        return self._own[signature]

    def _compile(self, shape, options, has_init):
        batch, frames, height, width, _ = shape
        low = (batch, frames - 1, height // 8, width // 8, 2)
        given = (
            jax.ShapeDtypeStruct(size, jnp.float32, sharding=self.place.clips(size))
            for size in ((shape, low) if has_init else (shape,))
        )
        with self.place.context():
            return programs.build(
                network(self.module, options, self.place),
                (self.variables, self.key, *given),
                f"{height}x{width} (batch {batch * (frames - 1)})",
                self.place.device,
                precision=self.precision,
                tell=self.tell,
            )


def _with_uncertainty(out: FlowOutput, config: Any) -> jax.Array:
    if out.info is None:
        return out.flows
    unsure = laplace.uncertainty(out.info, (config.var_min, config.var_max))
    return jnp.concatenate([out.flows, unsure[..., None]], axis=-1)


def network(
    module: Any, options: Options, place: Placement
) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """Returns the pure function (variables, key, clips, init_flow) that is compiled, to be traced
    under the context of its place; it gives what a Runner does."""
    static = dict(iters=options.iters, all_iterations=options.all_iterations)
    static |= options.diffusion()

    def apply(variables, key, clips, init_flow=None):
        out = module.apply(variables, clips, init_flow=init_flow, rngs={"noise": key}, **static)
        return _with_uncertainty(out, module.config), out.low

    if module.config.family != "daflow":
        return apply

    def window(over, variables, key, clip, *start):
        with axes.taken(*over):
            flows, low = apply(variables, key, clip[None], *(flow[None] for flow in start))
        return flows[:, 0], low[0]

    def windows(variables, key, clips, *start):
        """Maps over windows with one key, so that a window's noise ignores its batch."""
        mapped = (None, None, 0, *(0 for _ in start))
        over = place.clip_axes if len(clips) % place.clips_at_once == 0 else ()
        run = functools.partial(window, over)
        each = jax.vmap(run, mapped, out_axes=(1, 0), spmd_axis_name=over or None)
        return each(variables, key, clips, *start)

    return windows
