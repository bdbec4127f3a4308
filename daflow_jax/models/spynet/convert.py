"""Names of the published SPyNet checkpoints to our paths, alone or as a part of BasicVSR's."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from daflow_jax import errors
from daflow_jax.convert import rules
from daflow_jax.convert.architecture import Architecture, Request
from daflow_jax.convert.engine import Ignored, Rule
from daflow_jax.models.spynet import pyramid

CONVS = 5
_LEVEL = r"(?:moduleBasic|netBasic|basic_module)\.(\d)\.(?:moduleBasic|netBasic|basic_module)\."
_CONSTANTS = "a constant that the network itself holds"
_AROUND = r"(?:generator\.)?(?!.*(?:spynet|moduleBasic|netBasic|basic_module)).*"
ALONE = r"(?:generator\.)?(?:spynet\.)?"


def layers(prefix: str, path: str) -> tuple[Rule, ...]:
    """Returns the rules of all levels behind a prefix of names, to our `path` ("spynet/" or "").

    Released files number activations too (0, 2, 4, 6, 8); MMEditing's number convolutions alone and
    call each of them "conv".
    """
    found = []
    for i in range(CONVS):
        ours = rf"{path}level\1/conv{i + 1}"
        found += rules.layer(rf"{prefix}{_LEVEL}{2 * i}", ours)
        found += rules.layer(rf"{prefix}{_LEVEL}{i}\.conv", ours)
    return tuple(found)


def constants(prefix: str) -> Ignored:
    """Returns the rule of the stored mean and standard deviation, which `check` compares."""
    return rf"{prefix}(mean|std)", _CONSTANTS


def check(request: Request, state: Mapping[str, np.ndarray], config: Any) -> None:
    """Raises UserError for a file whose frames are brought to another mean or deviation."""
    del config
    known = {"mean": pyramid.MEAN, "std": pyramid.STD}
    for name in state:
        short = name.rsplit(".", 1)[-1]
        if short not in known:
            continue
        values = np.asarray(state[name], np.float64).ravel()
        if values.shape != (3,) or not np.allclose(values, known[short], rtol=0, atol=1e-6):
            shown = ", ".join(f"{x:.4g}" for x in values[:3])
            rule = f"its {name} is {shown}; this network uses {known[short]}"
            raise errors.UserError(request.file, rule, "It was trained on other frames")


TERMS = (
    "SPyNet (MPI for Intelligent Systems) has terms of its own; files that hold its weights inside "
    "of a restorer state none"
)

ARCHITECTURES: dict[str, Architecture] = {
    "spynet": Architecture(
        ("spynet",),
        _LEVEL + r"0(?:\.conv)?\.weight",
        layers(ALONE, ""),
        lambda config: (constants(ALONE), (_AROUND, "a part of the restorer around it")),
        TERMS,
        check=check,
    ),
}
