"""Convolutional GRUs whose context part is computed once per pair instead of in every iteration.

A convolution over [hidden, context, motion] is the sum of one over [hidden, motion] and one over
the context, which does not change between iterations. Parameters keep the published shape.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from flax.linen import dtypes
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import conv as conv_module
from daflow_jax.nn import loop
from daflow_jax.ops import conv


class ContextTerms(NamedTuple):
    """Context part of the gates (update and reset stacked) and of the candidate, without bias."""

    gates: Float[Array, "p h w 2*d"]
    candidate: Float[Array, "p h w d"]


class ConvGRU(nn.Module):
    """Parameters of one GRU pass (RAFT, sec. 3.3), input order hidden, context, motion.

    `suffix` names the published parameters: "1" and "2" for the two passes, "" for RAFT-small.
    """

    hidden: int
    context: int
    motion: int
    kernel_size: tuple[int, int]
    suffix: str = ""
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        self.update, self.reset, self.candidate = (
            conv_module.Conv(
                self.hidden,
                self.kernel_size,
                param_dtype=self.param_dtype,
                name=f"conv{gate}{self.suffix}",
            )
            for gate in "zrq"
        )

    def _kernels(self) -> tuple[loop.Kernel, loop.Kernel]:
        """Returns (gates, candidate); update and reset are one convolution with both outputs."""
        inputs = self.hidden + self.context + self.motion
        z, r, q = (m.parameters(inputs) for m in (self.update, self.reset, self.candidate))
        return (jnp.concatenate([z[0], r[0]], axis=-1), jnp.concatenate([z[1], r[1]])), q

    def context_terms(self, context: Float[Array, "p h w c"]) -> ContextTerms:
        """Returns the part of both convolutions that sees the context only."""
        part = slice(self.hidden, self.hidden + self.context)
        terms = []
        for kernel, _ in self._kernels():
            pair = dtypes.promote_dtype(context, kernel[:, :, part], dtype=self.dtype)
            terms.append(conv.conv2d(*pair))
        return ContextTerms(*terms)

    def loop_kernels(self) -> tuple[loop.Kernel, loop.Kernel]:
        """Returns (gates, candidate), reduced to the rows that see hidden state and motion."""
        after = self.hidden + self.context
        gates, candidate = (
            (jnp.concatenate([kernel[:, :, : self.hidden], kernel[:, :, after:]], axis=2), bias)
            for kernel, bias in self._kernels()
        )
        return gates, candidate


def update(
    tape: loop.Tape,
    name: str,
    net: Float[Array, "p h w d"],
    motion: Float[Array, "p h w m"],
    terms: ContextTerms,
) -> Float[Array, "p h w d"]:
    """Returns the new hidden state of the pass called `name`."""
    inputs = jnp.concatenate([net, motion], axis=-1)
    z, r = jnp.split(nn.sigmoid(tape.conv(f"{name}/gates", inputs) + terms.gates), 2, axis=-1)
    inputs = jnp.concatenate([r * net, motion], axis=-1)
    q = nn.tanh(tape.conv(f"{name}/candidate", inputs) + terms.candidate)
    return (1 - z) * net + z * q
