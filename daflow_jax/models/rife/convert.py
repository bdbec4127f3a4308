"""Published RIFE checkpoints: which tensor goes where, and which version a file is of."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from daflow_jax import errors
from daflow_jax.convert import checkpoint, engine, rules
from daflow_jax.convert.architecture import Architecture, Companion, Joined, Request
from daflow_jax.convert.engine import Ignored, Rule, same

TERMS = "code and weights MIT (Zhewei Huang; packages by Holy Wu)"
_PRE = r"(?:flownet\.)?"
_BLOCK = _PRE + r"(block\d|block_tea)\."


def _deconv(x: Any) -> Any:
    """Returns (4, 4, in, out) from PyTorch's (in, out, 4, 4)."""
    return x.transpose(2, 3, 0, 1)


def _activated(pattern: str, path: str, layout: Any = engine.conv) -> list[Rule]:
    """Returns the rules of a convolution and the PReLU behind it."""
    slope = (pattern + r"\.1\.weight", f"params/{path}/act/slope", same)
    return [*rules.layer(pattern + r"\.0", f"{path}/conv", layout), slope]


def _twice(pattern: str, path: str) -> list[Rule]:
    """Returns the rules of the two convolutions that the published code calls Conv2."""
    first = _activated(pattern + r"\.conv1", path + "/conv0")
    return [*first, *_activated(pattern + r"\.conv2", path + "/conv1")]


_START = _activated(_BLOCK + r"conv0\.(\d)", r"\1/conv0_\2")
_PAIRS = _activated(_BLOCK + r"(convblock\d)\.(\d)", r"\1/\2/conv\3")


def _refining(net: str, ours: str, deconv_end: bool) -> list[Rule]:
    """Returns the rules of a context network and a U-Net."""
    return [
        *_twice(r"contextnet\.(conv\d)", r"contextnet/\1"),
        *_twice(rf"{net}\.(conv0|down\d)", rf"{ours}/\1"),
        *_activated(rf"{net}\.(up\d)", rf"{ours}/\1", _deconv),
        *rules.layer(rf"{net}\.conv", f"{ours}/conv", _deconv if deconv_end else engine.conv),
    ]


_PLAIN = (
    *_START,
    *_activated(_BLOCK + r"convblock\.(\d)", r"\1/convblock/conv\2"),
    *rules.layer(_BLOCK + r"lastconv", r"\1/lastconv", _deconv),
    *_refining("unet", "unet", False),
)
_V31 = (
    *_START,
    *_PAIRS,
    *rules.layer(_BLOCK + r"conv1", r"\1/conv1", _deconv),
    *_refining("fusionnet", "fusionnet", True),
)
_V35 = (
    *_START,
    *_PAIRS,
    *rules.layer(_BLOCK + r"conv1\.0", r"\1/conv1", _deconv),
    *rules.layer(_BLOCK + r"conv2", r"\1/conv2", _deconv),
)
_V38 = (
    *_START,
    *_PAIRS,
    *_activated(_BLOCK + r"(conv[12])", r"\1/\2_0", _deconv),
    *rules.layer(_BLOCK + r"(conv[12])\.2", r"\1/\2", _deconv),
)
_LATE = (
    *rules.layer(_BLOCK + r"conv0\.(\d)\.0", r"\1/conv0_\2/conv"),
    *rules.layer(_BLOCK + r"convblock\.(\d)\.conv", r"\1/convblock_\2/conv"),
    (_BLOCK + r"convblock\.(\d)\.beta", r"params/\1/convblock_\2/beta", lambda x: x.reshape(-1)),
    *rules.layer(_BLOCK + r"lastconv\.0", r"\1/lastconv", _deconv),
    *rules.layer(r"encode\.(cnn[0-2])", r"encode/\1/conv"),
    *rules.layer(r"encode\.cnn3", "encode/cnn3", _deconv),
)

_TEACHER: Ignored = (_PRE + r"block_tea\..*", "the training's teacher, which inference leaves out")
_UNREFINED: Ignored = (r"(contextnet|unet)\..*", "the refinement, which this model leaves out")
# In the order in which files are recognised: what a later pattern finds, earlier ones may have too.
SIGNATURES = {
    "rife-4.25": r"encode\.cnn0\.weight",
    "rife-4.6": _PRE + r"block3\.convblock\.0\.beta",
    "rife-4.0": _PRE + r"block3\.lastconv\.weight",
    "rife-3.8": _PRE + r"block0\.conv2\.2\.weight",
    "rife-3.5": _PRE + r"block0\.conv2\.weight",
    "rife-3.1": _PRE + r"block0\.conv1\.weight|conv0\.conv1\.0\.weight",
    "rife": _PRE + r"block0\.lastconv\.weight",
}
_COMPANIONS = (
    Companion("context", ("FILE",), "RIFE 3.1's context network (contextnet.pkl)"),
    Companion("fusion", ("FILE",), "RIFE 3.1's fusion network (unet.pkl)"),
)


def version(state: Sequence[str] | Mapping[str, Any]) -> str:
    """Returns the architecture whose tensors these are, "" if none."""
    for name, pattern in SIGNATURES.items():
        if any(re.fullmatch(pattern, tensor) for tensor in state):
            return name
    return ""


def _join(request: Request, state: Mapping[str, Any], arch: str) -> Joined:
    """Refuses a file of another version by name; adds the companions of 3.1."""
    found = version(state)
    if found and found != arch:
        rule = f"this is {_title(found)}, not {_title(arch).removeprefix('RIFE ')}"
        raise errors.UserError(request.file, rule, f"Pass --arch {found}")
    if arch == "rife-3.1":
        return _three_files(request, state)
    if arch == "rife" and not any("block_tea." in name for name in state):
        return Joined(overrides={"teacher": False})
    return Joined()


def _title(arch: str) -> str:
    return "RIFE " + (arch.removeprefix("rife").removeprefix("-") or "of the paper")


def _three_files(request: Request, state: Mapping[str, Any]) -> Joined:
    if not any(re.fullmatch(_PRE + r"block0\.conv1\.weight", name) for name in state):
        rule = "this is a context or fusion network of RIFE 3.1, which begins with flownet.pkl"
        raise errors.UserError(request.file, rule, "Name flownet.pkl first")
    whole = any(name.startswith("contextnet.") for name in state)
    missing = [c.name for c in _COMPANIONS if not request.companions.get(c.name)]
    if missing and not whole:
        flags = " and ".join(f"--{c.name} {c.help[c.help.find('(') + 1 : -1]}" for c in _COMPANIONS)
        rule = f"RIFE 3.1 consists of three files; {' and '.join(missing)} missing"
        raise errors.UserError(request.file, rule, f"Pass {flags}")
    regions = {}
    for name, prefix in (("context", "contextnet."), ("fusion", "fusionnet.")):
        for file in request.companions.get(name, ()):
            table = checkpoint.read(file).regions
            if ("down0.conv1.0.weight" in table) != (name == "fusion"):
                rule, remedy = f"is not RIFE 3.1's {name} network", "Name the other file"
                raise errors.UserError(f"--{name} {file}", rule, remedy)
            regions |= {prefix + tensor: region for tensor, region in table.items()}
    return Joined(regions)


def _architecture(
    arch: str, presets: tuple[str, ...], table: Sequence[Rule], *ignored: Ignored
) -> Architecture:
    def left_out(config: Any) -> tuple[Ignored, ...]:
        return (*ignored, *(() if getattr(config, "refine", True) else (_UNREFINED,)))

    return Architecture(
        presets=presets,
        signature=SIGNATURES[arch],
        rules=table,
        ignored=left_out,
        terms=TERMS,
        companions=_COMPANIONS if arch == "rife-3.1" else (),
        join=lambda request, state: _join(request, state, arch),
    )


ARCHITECTURES: dict[str, Architecture] = {
    "rife-4.25": _architecture("rife-4.25", ("rife-4.25",), _LATE, _TEACHER),
    "rife-4.6": _architecture("rife-4.6", ("rife-4.6",), _LATE, _TEACHER),
    "rife-4.0": _architecture("rife-4.0", ("rife-4.0",), _PLAIN, _TEACHER),
    "rife-3.8": _architecture("rife-3.8", ("rife-3.8",), _V38, _TEACHER),
    "rife-3.5": _architecture("rife-3.5", ("rife-3.5",), _V35, _TEACHER),
    "rife-3.1": _architecture("rife-3.1", ("rife-3.1",), _V31),
    "rife": _architecture("rife", ("rife", "rife-m"), _PLAIN),
}
