"""One flow network whose weights move from those for clean frames towards those for degraded ones.

Weights of networks that were finetuned from one another can be averaged (Wang et al., Deep Network
Interpolation, CVPR 2019; Wortsman et al., CVPR 2022). Here the share is found for every pair of
frames, at every size at which it is looked at: clean frames get nearly the weights for clean
frames, as far as the gate knows them.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
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
        return moved(variables, self.change(variables["params"]), share)

    def __call__(
        self,
        frames: Float[Array, "b f h w 3"],
        iters: int = 12,
        *,
        init_flow: Float[Array, "b q hl wl 2"] | None = None,
        train: bool = False,
        all_iterations: bool = False,
    ) -> FlowOutput:
        """Returns flow k -> k+1 for every pair of neighbours, each by the weights that it asks for,
        so that the flow of a pair does not depend on what it is computed with.

        Args:
            frames, iters, init_flow, all_iterations: as in the inner network.
            train: without effect: statistics of batch norms stay as they are.
        """
        del train
        shares = self._shares(frames)
        if self.is_initializing():
            out = self.flow(frames, iters)
            self.change(self.flow.variables["params"])
            return out
        variables, module = self.flow.variables, self.flow.clone(parent=None)
        difference = self.change(variables["params"])

        def flow_of(variables: Any, difference: Any, pair: tuple[Array, ...]) -> FlowOutput:
            share, frames, *start = pair
            options: dict[str, Any] = {"init_flow": start[0][None, None]} if start else {}
            return module.apply(
                moved(variables, difference, share),
                frames[None],
                iters,
                all_iterations=all_iterations,
                **options,
            )

        starts = () if init_flow is None else (init_flow,)
        clips = (shares, jnp.stack([frames[:, :-1], frames[:, 1:]], 2), *starts)
        pairs = jax.tree.map(lambda x: rearrange(x, "b q ... -> (b q) ..."), clips)
        if len(pairs[0]) == 1:
            return flow_of(variables, difference, jax.tree.map(lambda x: x[0], pairs))
        out = _one_by_one(flow_of, variables, difference, pairs)
        return _in_clips(out, len(frames))

    def _shares(self, frames: Float[Array, "b f h w 3"]) -> Float[Array, "b q"]:
        """Returns how much of the change each pair of neighbours is given."""
        alone = rearrange(frames, "b f h w c -> (b f) 1 h w c")
        logits = rearrange(self.degradation(alone), "(b f) -> b f", b=len(frames))
        return jax.nn.sigmoid((logits[:, :-1] + logits[:, 1:]) / 2)


def _one_by_one(
    flow_of: Callable[..., FlowOutput], variables: Any, difference: Any, pairs: tuple[Array, ...]
) -> FlowOutput:
    """Returns the outputs (n, ...) of n pairs, one after the other; each device of the ambient mesh
    takes its own share of them."""

    def run(variables, difference, pairs):
        return jax.lax.map(lambda pair: flow_of(variables, difference, pair), pairs)

    (split,) = axes.spec(pairs[0].shape, ("batch",))
    if split is None:
        return run(variables, difference, pairs)
    whole, rows = PartitionSpec(), PartitionSpec(split)
    sharded = jax.shard_map(run, in_specs=(whole, whole, rows), out_specs=rows, check_vma=False)
    return sharded(variables, difference, pairs)


def _in_clips(out: FlowOutput, clips: int) -> FlowOutput:
    """Returns the outputs (n, ...) of single pairs as that of a batch of clips."""

    def fields(x):
        return rearrange(x, "(b q) m 1 1 h w c -> m b q h w c", b=clips)

    low = rearrange(out.low, "(b q) 1 1 h w c -> b q h w c", b=clips)
    return FlowOutput(fields(out.flows), low, None if out.info is None else fields(out.info))


def moved(variables: Any, difference: Any, share: Float[Array, ""] | float) -> dict[str, Any]:
    """Returns the variables after a share of the difference is added to their parameters.

    They have 32 bits or more, so that what a small share adds to weights of 16 bits is not lost.
    """
    params = jax.tree.map(lambda w, d: w + share * d, variables["params"], difference)
    return {**variables, "params": params}
