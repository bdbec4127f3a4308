"""What models of every kind have: a network with its weights on a device."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from daflow_jax import errors, models
from daflow_jax.predict import devices, options
from daflow_jax.predict.program import Log, Programs
from daflow_jax.predict.program_files import ProgramFiles


def _silent(line: str, end: str = "\n") -> None:
    del line, end


class Model:
    """A network with its weights; each kind adds a call on frames.

    Attributes:
        config: the network's configuration. entry: what the registry knows of its family.
        name: what it was saved as. meta: its config.json.
        module: the Flax Linen module. programs: its weights on the device and what was compiled.
        precision, seed: as given.
    """

    def __init__(
        self,
        config: Any,
        variables: Any,
        *,
        meta: Mapping[str, Any] | None = None,
        device: str = "auto",
        mesh: Mapping[str, int] | None = None,
        precision: str = "fp32",
        seed: int = 0,
        program_files: Path | None = None,
        log: Log = _silent,
    ):
        """Puts the weights on a device, or on several.

        Args:
            variables: {"params": ..., maybe "batch_stats": ...}.
            device: "auto", "cpu", "gpu", "tpu" or one of several, "cuda:1".
            mesh: run on as many devices of that kind as the product of the sizes: {"seq": 4} splits
                the rows of a clip, {"data": 2} takes clips side by side, {"tensor": 2} splits
                layers and their weights, and the axes combine.
            precision: "fp32", or "bf16" for the layers; correlation and flow stay float32.
            seed: of the noise that diffusion models start from.
            program_files: folder of traced programs that processes share; see `ProgramFiles`.
            log: called like `print` with text about compiling and memory.
        """
        if precision not in ("fp32", "bf16"):
            raise errors.UserError(f"precision {precision!r}", "is unknown", "Use fp32 or bf16")
        self._given = {"device": device, "mesh": mesh, "program_files": program_files}
        self.config, self.meta = config, dict(meta or {})
        self.entry = models.entry_of(config)
        self.name = self.meta.get("name", self.entry.family)
        self.module = models.build(config, dtype=jnp.bfloat16 if precision == "bf16" else None)
        self.precision, self.seed = precision, seed
        self.programs = Programs(
            self.module,
            variables,
            devices.place(device, mesh),
            seed=seed,
            precision="highest" if precision == "fp32" else None,
            files=None if program_files is None else ProgramFiles(program_files),
            log=log,
        )
        self.options()  # refuses a network that cannot do what its kind does

    def __reduce__(self) -> tuple:
        """Copies and pickles hold the weights and how they were loaded; what was compiled and what
        `log` was told are of this process, and of this object."""
        variables = jax.device_get(self.variables)
        return _made_again, (type(self), self.config, variables, self.meta, self._settings())

    def _settings(self) -> dict[str, Any]:
        """Returns the keyword arguments that make an equal model."""
        return {**self._given, "precision": self.precision, "seed": self.seed}

    @property
    def device(self) -> jax.Device:
        """Where it runs, or the first of several devices."""
        return self.programs.place.device

    @property
    def variables(self) -> Any:
        """The weights on the device, {"params": ..., maybe "batch_stats": ...}."""
        return self.programs.variables

    @property
    def params(self) -> Any:
        """The learned part of `variables`."""
        return self.programs.variables["params"]

    @property
    def num_parameters(self) -> int:
        """The number of learned values."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.params))

    @property
    def defaults(self) -> dict[str, Any]:
        """The options of a call that asks for nothing else: what the weights came with, or the
        network's."""
        return options.defaults(self.config, self.meta)

    def options(self, **given: Any) -> options.Options:
        """Returns the options of a call, checked; None is the model's own value.

        Raises UserError for one that the model has not, and for values that it does not take.
        """
        return options.chosen(self.config, self.defaults, given, self.name)


def _made_again(kind: Any, config: Any, variables: Any, meta: Any, settings: Any) -> Any:
    return kind(config, variables, meta=meta, **settings)
