"""Functions compiled for fixed shapes, with a line for the person who waits and a look at the
memory; models of one form share them."""

import contextlib
import dataclasses
import time
import weakref
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from daflow_jax.predict import memory, program_files
from daflow_jax.predict.placement import Placement
from daflow_jax.predict.program_files import ProgramFiles

Log = Callable[..., None]  # called like `print`: (line, end="\n")


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """call: the compiled function. seconds: until it was there. need: bytes that it holds."""

    call: Callable[..., Any]
    seconds: float
    need: int


# Of all models that live. Seeds of one experiment share their programs: a program takes up to a
# thousand memory maps, of which Linux gives a process 65,530. References without callbacks: one
# that ran when the interpreter ends would hash a key whose class is gone by then.
_shared: dict[Any, weakref.ref[Program]] = {}


class Programs:
    """The weights of one network on their devices, and the functions compiled for them.

    Args:
        module, variables: a network and its weights.
        place: one device, or several that share a clip.
        seed: of the noise of models that draw some.
        precision: of matrix products; None is the device's own.
        files: traced programs of earlier processes; None: all are traced here.
        log: called like `print` with text about compiling and memory.
    """

    def __init__(
        self,
        module: Any,
        variables: Any,
        place: Placement,
        *,
        seed: int = 0,
        precision: str | None = "highest",
        files: ProgramFiles | None = None,
        log: Log = lambda line, end="\n": None,
    ):
        self.module, self.place, self.precision, self.log = module, place, precision, log
        self.files = files
        self.variables = jax.device_put(variables, place.variables(module, variables))
        self.key = jax.device_put(jax.random.key(seed), place.whole())
        self.compile_seconds = 0.0
        self.peak_bytes = 0
        leaves, tree = jax.tree.flatten(self.variables)
        kinds = tuple((x.shape, x.dtype, x.sharding) for x in leaves)
        self._network = module, place, precision, tree, kinds
        self._own: dict[Any, Program] = {}

    def __call__(self, make: Callable[..., Any], plan: Any, what: str, *inputs: Any) -> Any:
        """Returns `make(module, place, plan)(variables, key, *inputs)`, compiled; arrays stay on
        the device.

        Args:
            make: a function of a module, of which programs are known by name and `plan`.
            plan: hashable; what is static.
            what: names size and batch in messages: "436x1024 (batch 2)".
            inputs: trees of arrays, on the host or on the devices.

        Raises OutOfMemory if the program needs more than the device has left.
        """
        placed = jax.tree.map(self.put, inputs)
        leaves, tree = jax.tree.flatten(placed)
        signature = make, plan, tree, tuple((x.shape, x.dtype, x.sharding) for x in leaves)
        if signature not in self._own:
            key = (*self._network, *signature)
            program = _living(key)
            if program is None:
                program = self._compile(make, plan, what, placed)
                self.compile_seconds += program.seconds
                _shared[key] = weakref.ref(program)
            self.peak_bytes = max(self.peak_bytes, program.need)
            self._own[signature] = program
        with jax.disable_jit(False):  # compiled functions do not run where JAX_DISABLE_JIT says so
            return self._own[signature].call(self.variables, self.key, *placed)

    def put(self, x: Any) -> jax.Array:
        """Returns an array, float32 unless it is of a device already, where inputs go."""
        x = x if isinstance(x, jax.Array) else np.asarray(x, np.float32)
        return jax.device_put(x, self.place.input(x.shape))

    def _compile(self, make, plan, what, placed) -> Program:
        """Returns the program, traced or from a file, and checks what it needs."""
        self.log(f"compiling for {what} ...", end=" ")
        begun = time.perf_counter()
        given = (self.variables, self.key, *jax.tree.map(_shape, placed))
        exact = self.precision and jax.default_matmul_precision(self.precision)
        with self.place.context(), exact or contextlib.nullcontext(), jax.disable_jit(False):
            function = self._function(make, plan, given)
            compiled = jax.jit(function).lower(*given).compile()
        seconds = time.perf_counter() - begun
        memory.give_back()
        self.log(f"{seconds:.1f} s")
        need = memory.program_bytes(compiled)
        named = what.replace(" (", ", ").replace(")", "")
        self.log(f"{named}, about {memory.text(need)}")
        memory.check(need, self.place.device, named)
        return Program(compiled, seconds, need)

    def _function(self, make, plan, given) -> Callable[..., Any]:
        """Returns the function to compile, as an earlier process has traced it if it did."""
        function = make(self.module, self.place, plan)
        if self.files is None:
            return function
        name = program_files.name_of(self.module, self.place, self.precision, make, plan, given)
        if name is None:
            return function
        return self.files.find(name) or self.files.keep(name, function, given)


def _living(key: Any) -> Program | None:
    """Returns the program of a key if a model that has it lives; drops those that are dead."""
    found = _shared[key]() if key in _shared else None
    if found is None:
        for dead in [k for k, reference in _shared.items() if reference() is None]:
            del _shared[dead]
    return found


def _shape(x: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)
