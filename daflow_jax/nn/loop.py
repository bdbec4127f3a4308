"""The refinement loop, with the gradients of its constants taken after it.

Kernels and correlation volume are the same in every iteration. Differentiated the plain way, each
iteration adds its share to their gradients: one small product per kernel and one pass over the
whole volume. Here the backward loop only keeps what enters those products; then one product over
all iterations makes each gradient. The values are the same up to the order of summation.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.nn import placement
from daflow_jax.ops import conv, correlation

Kernel = tuple[Any, Any]  # arrays (kh, kw, in, out) and (out,)
_LOOKUP = "lookup"


class Tape:
    """Applies the loop's constants by name, notes their inputs, and adds `probes` to their outputs.

    Probes are zero; the gradient of a probe is the gradient at that output.
    """

    def __init__(self, kernels: dict[str, Kernel], probes: dict[str, Array] | None = None):
        self.kernels, self.probes = kernels, probes or {}
        self.inputs: dict[str, Array] = {}

    def _note(self, name: str, inputs: Array, outputs: Array) -> Array:
        self.inputs[name] = inputs
        return outputs + self.probes[name] if name in self.probes else outputs

    def conv(self, name: str, x: Float[Array, "p h w i"]) -> Float[Array, "p h w o"]:
        """Returns the convolution called `name` of x, bias included."""
        kernel, bias = self.kernels[name]
        return self._note(name, x, conv.loop_conv2d(x, kernel) + bias)

    def lookup(
        self,
        corr: correlation.Pyramid,
        target: Float[Array, "p h w 2"],
        radius: int,
        implementation: str,
    ) -> Float[Array, "p h w k"]:
        """Returns the looked-up correlations."""
        window = placement.maps(correlation.lookup(corr, target, radius, implementation))
        return self._note(_LOOKUP, target, window)


class Plan(NamedTuple):
    """What is static about a loop.

    step: (tape, corr, terms, state) -> state, a pure function.
    iters: its length.
    all_iterations: whether the state after every iteration is returned, or the last one only.
    """

    step: Callable
    iters: int
    all_iterations: bool


def _scan(plan: Plan, kernels, corr, terms, state, probes):
    def body(state, probe):
        tape = Tape(kernels, probe)
        state = plan.step(tape, corr, terms, state)
        kept = tape.inputs if probe is not None else None
        return state, (state if plan.all_iterations else None, kept)

    last, (history, inputs) = jax.lax.scan(body, state, probes, length=plan.iters)
    return history if plan.all_iterations else jax.tree.map(lambda x: x[None], last), inputs


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def refine_scan(
    plan: Plan, kernels: dict[str, Kernel], corr: correlation.Pyramid, terms: Any, state: Any
) -> Any:
    """Returns the states after the iterations, stacked on a first axis.

    Args:
        kernels: what the step applies through its tape, by name.
        corr: what the step looks up through its tape.
        terms: any further constants; their gradient is taken the plain way.
        state: the start.
    """
    return _scan(plan, kernels, corr, terms, state, None)[0]


def _forward(plan, kernels, corr, terms, state):
    def outputs():
        tape = _OutputTape(kernels)
        plan.step(tape, corr, terms, state)
        return tape.inputs

    shapes = jax.eval_shape(outputs)
    probes = jax.tree.map(lambda s: jnp.zeros((plan.iters, *s.shape), s.dtype), shapes)
    run = functools.partial(_scan, plan, kernels, corr)
    history, vjp, inputs = jax.vjp(run, terms, state, probes, has_aux=True)
    return history, (vjp, inputs, kernels, corr)


class _OutputTape(Tape):
    """Notes the outputs in place of the inputs."""

    def _note(self, name: str, inputs: Array, outputs: Array) -> Array:
        self.inputs[name] = outputs
        return outputs


def _backward(plan, residuals, cotangent):
    vjp, inputs, kernels, corr = residuals
    d_terms, d_state, d_probes = vjp(cotangent)
    d_corr = correlation.volume_gradient(corr, inputs[_LOOKUP], d_probes[_LOOKUP])
    d_kernels = {
        name: _kernel_gradient(inputs[name], d_probes[name], pair) for name, pair in kernels.items()
    }
    return d_kernels, d_corr, d_terms, d_state


def _kernel_gradient(x, grad, pair):
    """Returns the gradient of (kernel, bias) from all iterations' inputs and output gradients."""
    inputs, flat = (placement.joined(a) for a in (x, grad))
    _, pull = jax.vjp(lambda kernel: conv.conv2d(inputs, kernel), pair[0])
    return pull(flat)[0], jnp.sum(grad, axis=(0, 1, 2, 3))


refine_scan.defvjp(_forward, _backward)
