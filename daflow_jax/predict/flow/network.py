"""The pure functions of a flow network that are compiled: one for each size of frames."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from daflow_jax import models
from daflow_jax.models import calls
from daflow_jax.models.outputs import FlowOutput
from daflow_jax.ops import coarse_to_fine, laplace, pad, resize
from daflow_jax.ops.coarse_to_fine import Grid
from daflow_jax.predict.placement import Placement
from daflow_jax.sharding import axes


class Plan(NamedTuple):
    """What is static about an estimation.

    steps: the sizes (height, width) to estimate one after the other; the last one is that at which
    the frames are estimated. options: of the network's call, (name, value). all_iterations: keep
    the flow after every refinement of the last size.
    """

    steps: tuple[tuple[int, int], ...]
    grid: Grid
    options: tuple[tuple[str, Any], ...] = ()
    all_iterations: bool = False


def whole(module: Any, place: Placement, plan: Plan) -> Callable[..., Any]:
    """Returns (variables, key, clips (b, f, h, w, 3), start, arrays) -> flows (m, b, f-1, h, w, 2)
    and `low` of the last size.

    Frames are brought to the sizes of the plan, padded, estimated and brought back. Networks that
    predict their uncertainty add it to the flows as a third channel. `start` is on the grid of
    `low`, or None; `arrays` are options of the call that were read from files.
    """

    def function(variables, key, clips, start, arrays):
        given = variables, key, arrays
        images = resize.resize_align_corners(clips, plan.steps[-1])
        start = _start(module, place, plan, given, images, start)
        run = _network(module, place, plan, given, last=True)
        out = coarse_to_fine.at(run, images, plan.grid, start)
        return enlarged(_with_uncertainty(out, module.config), clips.shape[2:4]), out.low

    return function


def prepared(module: Any, place: Placement, plan: Plan) -> Callable[..., Any]:
    """Returns (variables, key, clips, start, arrays) -> padded clips of the last size and its
    start: what tiles are cut from."""

    def function(variables, key, clips, start, arrays):
        images = resize.resize_align_corners(clips, plan.steps[-1])
        start = _start(module, place, plan, (variables, key, arrays), images, start)
        return pad.pad(images, plan.grid.padding(plan.steps[-1])), start

    return function


def enlarged(flows: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Returns flows (..., h, w, c) at `size`, and an uncertainty for the pixels of that size."""
    small = flows.shape[-3:-1]
    if small == tuple(size):
        return flows
    scale = jnp.array([size[1] / small[1], size[0] / small[0]], jnp.float32)
    large = resize.resize_align_corners(flows, size)
    # the mean log scale grows with the pixels' number
    return jnp.concatenate([large[..., :2] * scale, large[..., 2:] + jnp.log(scale).mean()], -1)


def network(module: Any, options: Mapping[str, Any], place: Placement) -> Callable[..., FlowOutput]:
    """Returns the function (variables, key, clips, start=None) of padded clips, to be traced under
    the context of its place."""

    def apply(variables, key, clips, start=None):
        begun = {} if start is None else {"init_flow": start}
        return calls.call(module, variables, key, clips, **options, **begun)

    return _over_windows(apply, place) if models.entry_of(module.config).streams else apply


def _over_windows(apply, place):
    """Maps over windows with one key, so that a window's noise ignores its batch."""

    def window(over, variables, key, clip, *start):
        with axes.taken(*over):
            out = apply(variables, key, clip[None], *(flow[None] for flow in start))
        info = None if out.info is None else out.info[:, 0]
        return FlowOutput(out.flows[:, 0], out.low[0], info)

    def windows(variables, key, clips, start=None):
        starts = () if start is None else (start,)
        mapped = (None, None, 0, *(0 for _ in starts))
        over = place.clip_axes if len(clips) % place.clips_at_once == 0 else ()
        run = functools.partial(window, over)
        out_axes: Any = FlowOutput(1, 0, 1)  # type: ignore[arg-type]
        each = jax.vmap(run, mapped, out_axes=out_axes, spmd_axis_name=over or None)
        return each(variables, key, clips, *starts)

    return windows


def _network(module, place, plan, given, last: bool) -> Callable[..., FlowOutput]:
    """Returns the function (clips, start) of padded clips of the last size, or of smaller ones."""
    variables, key, arrays = given
    options = dict(plan.options) | dict(arrays)
    if last and plan.all_iterations:
        options["all_iterations"] = True
    return functools.partial(network(module, options, place), variables, key)


def _start(module, place, plan, given, images, start):
    """Returns where the last size starts: what the smaller ones lead to, or `start` itself."""
    run = _network(module, place, plan, given, last=False)
    return coarse_to_fine.coarse(run, images, plan.steps, plan.grid, start)[1]


def _with_uncertainty(out: FlowOutput, config: Any) -> jax.Array:
    if out.info is None:
        return out.flows
    unsure = laplace.uncertainty(out.info, (config.var_min, config.var_max))
    return jnp.concatenate([out.flows, unsure[..., None]], axis=-1)
