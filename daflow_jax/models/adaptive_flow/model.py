"""One flow network whose weights move from those for clean frames towards those for degraded ones.

Weights of networks that were finetuned from one another can be averaged (Wang et al., Deep Network
Interpolation, CVPR 2019; Wortsman et al., CVPR 2022). Here the share is found for every clip, at
every size at which it is looked at: clean frames have the flow of the weights for clean frames.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax import errors
from daflow_jax.models import registry
from daflow_jax.models.adaptive_flow.change import Change
from daflow_jax.models.adaptive_flow.config import AdaptiveFlowConfig
from daflow_jax.models.adaptive_flow.gate import Gate
from daflow_jax.models.outputs import FlowOutput
from daflow_jax.sharding import axes


def check_inner(config: AdaptiveFlowConfig) -> None:
    """Raises UserError for an inner network that does not refine a flow, or draws numbers."""
    inner = registry.entry_of(config.flow)
    if not inner.refines or inner.streams:
        rule = f"a {inner.family} network is no flow network that refines without random numbers"
        raise errors.UserError("flow", rule, "Name one such as raft, raft-small or sea-raft-s")


class AdaptiveFlow(nn.Module):
    """Flow of every neighbouring pair of a clip; a new network is the inner one."""

    config: AdaptiveFlowConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        check_inner(c)
        self.flow = registry.build(c.flow, self.dtype, self.param_dtype)
        self.change = Change(c.rank, self.param_dtype)
        self.gate = Gate(c.widths, self.dtype, self.param_dtype)

    def degradation(self, frames: Float[Array, "b f h w 3"]) -> Float[Array, " b"]:
        """Returns the logit of how likely each clip is degraded; frames in [0, 1]."""
        return self.gate(frames)

    def adapted(self, frames: Float[Array, "1 f h w 3"]) -> dict[str, Any]:
        """Returns the variables of the inner network for one clip; frames in [0, 1]."""
        (share,) = jax.nn.sigmoid(self.degradation(frames))
        variables = self.flow.variables
        return _moved(variables, self.change(variables["params"]), share)

    def __call__(
        self,
        frames: Float[Array, "b f h w 3"],
        iters: int = 12,
        *,
        init_flow: Float[Array, "b q hl wl 2"] | None = None,
        train: bool = False,
        all_iterations: bool = False,
    ) -> FlowOutput:
        """Returns flow k -> k+1 for every pair of neighbours, clip by clip.

        Args:
            frames, iters, init_flow, all_iterations: as in the inner network.
            train: without effect: statistics of batch norms stay as they are.
        """
        del train
        share = jax.nn.sigmoid(self.degradation(frames))
        if self.is_initializing():
            self.flow(frames, iters)
        variables, module = self.flow.variables, self.flow.clone(parent=None)
        difference = self.change(variables["params"])
        starts = () if init_flow is None else (init_flow,)

        def flow_of(variables: Any, difference: Any, clip: tuple[Array, ...]) -> FlowOutput:
            share, frames, *start = clip
            options: dict[str, Any] = {"init_flow": start[0][None]} if start else {}
            return module.apply(
                _moved(variables, difference, share),
                frames[None],
                iters,
                all_iterations=all_iterations,
                **options,
            )

        clips = (share, frames, *starts)
        if len(frames) == 1:
            return flow_of(variables, difference, jax.tree.map(lambda x: x[0], clips))
        return _one_by_one(flow_of, variables, difference, clips)


def _one_by_one(
    flow_of: Callable[..., FlowOutput], variables: Any, difference: Any, clips: tuple[Array, ...]
) -> FlowOutput:
    """Returns the flow of a batch, clip after clip; each device of the ambient mesh takes its own
    share of the clips."""

    def run(variables, difference, clips):
        return _joined(jax.lax.map(lambda clip: flow_of(variables, difference, clip), clips))

    (split,) = axes.spec(clips[0].shape, ("batch",))
    if split is None:
        return run(variables, difference, clips)
    whole, rows, columns = PartitionSpec(), PartitionSpec(split), PartitionSpec(None, split)
    shapes = jax.eval_shape(run, variables, difference, clips)
    places = FlowOutput(columns, rows, None if shapes.info is None else columns)
    sharded = jax.shard_map(run, in_specs=(whole, whole, rows), out_specs=places, check_vma=False)
    return sharded(variables, difference, clips)


def _moved(variables: Any, difference: Any, share: Float[Array, ""]) -> dict[str, Any]:
    """Returns the variables after a share of the difference is added to their parameters.

    They have 32 bits or more, so that what a small share adds to weights of 16 bits is not lost.
    """
    moved = jax.tree.map(lambda w, d: w + share * d, variables["params"], difference)
    return {**variables, "params": moved}


def _joined(out: FlowOutput) -> FlowOutput:
    """Returns the outputs (n, ...) of n clips by themselves as that of one batch."""
    flows, low = jnp.moveaxis(out.flows[:, :, 0], 0, 1), out.low[:, 0]
    info = None if out.info is None else jnp.moveaxis(out.info[:, :, 0], 0, 1)
    return FlowOutput(flows, low, info)
