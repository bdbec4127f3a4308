"""Published checkpoints: what the files of each architecture hold, and how they become a model
folder. PyTorch is not needed, and nothing in a file is run."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import errors, models, pretrained
from daflow_jax.convert import checkpoint, engine
from daflow_jax.convert.architecture import Architecture, Joined, Request
from daflow_jax.io import atomic
from daflow_jax.io.mapped import MappedArrays

MAPPING = "mapping.json"


def architectures() -> dict[str, Architecture]:
    """Returns what is known of published checkpoints by architecture name, of all models."""
    known = (models.loaded(e.checkpoints) for e in models.ENTRIES.values() if e.checkpoints)
    return {name: arch for table in known for name, arch in table.items()}


class Job(NamedTuple):
    """A request that fits: everything but the values is checked."""

    request: Request
    arch: str
    config: Any
    state: Mapping[str, np.ndarray]
    plan: engine.Plan
    record: Mapping[str, Any] = {}

    def report(self) -> dict[str, Any]:
        """Returns where every tensor went, JSON-able."""
        used = {name: path for path, (names, _) in self.plan.sources.items() for name in names}
        return {
            "file": str(self.request.file),
            "arch": self.arch,
            "tensors": len(self.state),
            "used": used,
            "ignored": self.plan.ignored,
            "initial": {p: f"copy of {c}" if c else "zeros" for p, c in self.plan.initial.items()},
            "parameters": {path: list(shape) for path, shape in self.plan.shapes.items()},
        }

    def coverage(self) -> str:
        """Returns one line: what was used, left out and filled."""
        used = sum(len(names) for names, _ in self.plan.sources.values())
        line = f"{used} of {len(self.state)} tensors used, {len(self.plan.ignored)} ignored by rule"
        line += f", {len(self.plan.shapes)} arrays filled"
        if self.plan.initial:
            line += f" ({len(self.plan.initial)} by their initial values)"
        return line


def prepare(request: Request) -> Job:
    """Returns the checked conversion; reads names and shapes, and few values.

    Raises UserError for a file that is damaged, incomplete, or of another architecture.
    """
    state: MappedArrays = checkpoint.read(request.file)
    arch, table = request.arch or recognise(state), architectures()
    if arch not in table:
        known = errors.nearest(arch, table)
        raise errors.UserError(f"--arch {arch}", "cannot be converted", known)
    kind = table[arch]
    _check_companions(request, arch, kind)
    joined = kind.join(request, state) if kind.join else Joined()
    state = MappedArrays({**state.regions, **joined.regions})
    misfits = []
    for name in kind.presets:
        config = models.preset(name, **{**joined.overrides, **request.overrides})
        initial, shapes = (*kind.initial, *joined.initial), pretrained.shapes(config)
        try:
            plan = engine.plan(state, kind.rules, shapes, kind.ignored(config), initial)
        except engine.Misfit as misfit:
            misfits.append(misfit)
            continue
        if kind.check:
            kind.check(request, state, config)
        return Job(request, arch, config, state, plan, joined.record)
    raise _refusal(request, arch, state, min(misfits, key=lambda m: len(m.problems)))


def _check_companions(request: Request, arch: str, kind: Architecture) -> None:
    known = [companion.name for companion in kind.companions]
    for name in request.companions:
        if name not in known:
            rule = f"is not read for {arch}"
            raise errors.UserError(f"--{name}", rule, "Leave it out")


def convert(job: Job, folder: str | Path, *, name: str | None = None) -> Path:
    """Returns the model folder written, with a card and the mapping; arrays pass one by one.

    Raises UserError for values that are not finite, leaving nothing behind.
    """
    folder = Path(folder)
    dtype = pretrained.DTYPES[job.request.dtype]
    layout = {path: (_kept(path, dtype), shape) for path, shape in job.plan.shapes.items()}
    title = name or folder.name
    training: dict[str, Any] = {"converted_from": Path(job.request.file).name, "arch": job.arch}
    training |= job.record
    try:
        pretrained.write(
            folder,
            job.config,
            layout,
            engine.arrays(job.state, job.plan),
            name=title,
            defaults=_defaults(job.config),
            training=training,
            card=_card(job, title),
        )
    except engine.BadValues as error:
        raise errors.UserError(job.request.file, error.rule, error.remedy) from None
    atomic.write_text(folder / MAPPING, json.dumps(job.report(), indent=1) + "\n")
    return folder


def recognise(state: Mapping[str, np.ndarray]) -> str:
    """Returns the architecture whose signature is among the names, or "" if there is none."""
    for arch, kind in architectures().items():
        if any(re.fullmatch(kind.signature, name) for name in state):
            return arch
    return ""


def _kept(path, dtype):
    """Returns the dtype of an array; running statistics stay float32, as sums lose terms in 16."""
    return dtype if path.startswith("params/") else pretrained.DTYPES["float32"]


def _defaults(config) -> dict[str, Any]:
    """Returns the settings of the configuration that a call may change, such as `iters`."""
    names = (option.name for option in models.entry_of(config).call_options)
    return {name: getattr(config, name) for name in names if hasattr(config, name)}


def _refusal(request, arch, state, misfit):
    rule = f"does not fit {arch}: {misfit.rule}"
    seen = recognise(state)
    remedy = (
        f"It looks like {seen}: pass --arch {seen}"
        if seen not in ("", arch)
        else ("The file is incomplete, or of another size or architecture")
    )
    return errors.UserError(request.file, rule, remedy)


def _card(job, title):
    return (
        f"# {title}\n\n"
        f"Converted from `{Path(job.request.file).name}`, a published {job.arch} checkpoint.\n\n"
        f"- Terms of the weights: {architectures()[job.arch].terms}.\n"
        f"- {job.coverage()}; `{MAPPING}` lists them.\n"
        f"- Stored as {job.request.dtype}.\n"
    )
