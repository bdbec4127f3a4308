"""A network under a policy of precision."""

import contextlib
import dataclasses
from typing import Any, cast

import flax.linen as nn
from flax import traverse_util

from daflow_jax.precision import products as eight_bits
from daflow_jax.precision.islands import Islands, floats, islands
from daflow_jax.precision.policy import Precision


@dataclasses.dataclass(frozen=True)
class Bound:
    """A network under a policy, called as a Linen module is: `init` and `apply`.

    The module must have been built with the policy's `compute` as dtype. Parameters are drawn as
    the module says, float32, so that runs under all policies start alike (`Precision.stored`).
    """

    module: nn.Module
    policy: Precision

    @property
    def config(self) -> Any:
        """The network's own configuration."""
        return cast(Any, self.module).config

    def clone(self, **changes: Any) -> "Bound":
        """Returns the network with fields of its module replaced, under the same policy."""
        return dataclasses.replace(self, module=self.module.clone(**changes))

    def init(self, *args: Any, **options: Any) -> Any:
        """Returns the variables; raises UserError for a pattern that names no whole module, or no
        layer."""
        variables = self.module.init(*args, **options)
        islands(variables["params"], self.policy.float32)
        paths = list(traverse_util.flatten_dict(variables["params"], sep="/"))
        eight_bits.check_patterns(paths, self.policy.products)
        return variables

    def apply(self, variables: Any, *args: Any, mutable: Any = False, **options: Any) -> Any:
        """Returns what the module returns, floats in the policy's `output`; new state as it is."""
        params = variables["params"]
        inside = islands(params, self.policy.float32)
        variables = {**variables, "params": self.policy.working_copy(params)}
        with contextlib.ExitStack() as stack:
            stack.enter_context(nn.intercept_methods(Islands(inside)))
            if self.policy.eight and self.policy.products:
                layers = eight_bits.EightBits(self.policy.eight, self.policy.products, inside)
                stack.enter_context(nn.intercept_methods(layers))
            out = self.module.apply(variables, *args, mutable=mutable, **options)
        if mutable:
            return floats(out[0], self.policy.output), out[1]
        return floats(out, self.policy.output)
