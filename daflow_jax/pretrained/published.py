"""Published checkpoints: what the files of each architecture hold, and how they become a model
folder. PyTorch is not needed, and nothing in a file is run."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import errors, models, pretrained
from daflow_jax.convert import checkpoint, engine
from daflow_jax.io import atomic
from daflow_jax.io.mapped import MappedArrays, Region
from daflow_jax.models.dit4sr import convert as dit4sr
from daflow_jax.models.raft import convert as raft
from daflow_jax.models.sea_raft import convert as sea_raft
from daflow_jax.models.vae import convert as vae

MAPPING = "mapping.json"


class Architecture(NamedTuple):
    """One kind of published checkpoint.

    presets: configurations that it may have; the first one that fits is taken.
    sign: pattern of a tensor's name that only files of this kind have.
    rules, dead, initial: see `daflow_jax.convert.engine`; `dead` depends on the configuration.
    terms: of the published weights.
    is_restorer: it needs an autoencoder and the encoding of the empty prompt besides.
    """

    presets: tuple[str, ...]
    sign: str
    rules: Sequence[engine.Rule]
    dead: Callable[[Any], Sequence[engine.Dead]]
    terms: str
    initial: Sequence[engine.Initial] = ()
    is_restorer: bool = False


_RAFT_TERMS = (
    "code BSD-3-Clause (Princeton Vision & Learning Lab); no licence is stated for the weights, "
    "which were trained on FlyingChairs, FlyingThings3D, Sintel, KITTI and HD1K (as the file's "
    "name says), some of them for research only"
)
_ZERO_PROMPT: tuple[engine.Initial, ...] = ((r"params/prompt/(text|pooled)", None),)
_SD35_TERMS = "Stability AI Community License"

ARCHITECTURES: dict[str, Architecture] = {
    "raft": Architecture(
        ("raft",),
        r"update_block\.(gru\.convz2|recurrent_block\.convgru2\.convz)\.weight",
        raft.RULES,
        lambda config: raft.DEAD,
        _RAFT_TERMS,
    ),
    "raft-small": Architecture(
        ("raft-small",),
        r"update_block\.(gru\.convz|recurrent_block\.convgru1\.convz)\.weight",
        raft.SMALL_RULES,
        lambda config: raft.DEAD,
        _RAFT_TERMS,
    ),
    "sea-raft": Architecture(
        ("sea-raft-s", "sea-raft-m"),
        r"init_conv\.weight",
        sea_raft.RULES,
        lambda config: sea_raft.DEAD,
        "code BSD-3-Clause (Princeton Vision & Learning Lab); no licence is stated for the weights",
    ),
    "dit4sr": Architecture(
        ("restorer-base",),
        r"transformer_blocks\.0\.attn\.to_q_control\.weight",
        dit4sr.restorer_rules(),
        lambda config: dit4sr.dead(config.dit),
        f"Pi-Lab License 1.0 (non-commercial); built on SD3.5-medium, {_SD35_TERMS}",
        is_restorer=True,
    ),
    "sd3.5-medium": Architecture(
        ("restorer-base",),
        r"transformer_blocks\.0\.attn\.to_q\.weight",
        dit4sr.restorer_rules(),
        lambda config: dit4sr.dead(config.dit),
        _SD35_TERMS,
        initial=dit4sr.FROM_SD35,
        is_restorer=True,
    ),
    "sd3-vae": Architecture(
        ("sd3-vae",),
        r"encoder\.down_blocks\.0\.resnets\.0\.conv1\.weight",
        vae.RULES,
        lambda config: (),
        _SD35_TERMS,
    ),
}


class Request(NamedTuple):
    """What to convert.

    file: checkpoint of the network: .safetensors, .pth, an index of shards, or a folder with one.
    arch: of ARCHITECTURES; "" recognises it by its names.
    vae: the autoencoder's checkpoint, for restorers.
    prompt: the encoding of the empty prompt, for restorers: two files (tokens, width) and
        (pooled width,), or ("zeros",), a stand-in that published weights have never seen.
    overrides: fields of the preset, dotted ("dit.control_scale").
    lq_key: "hq_twice", "own", or "auto": DiT4SR's first release left its to_k_control at zero.
    dtype: of the arrays written.
    """

    file: str | Path
    arch: str = ""
    vae: str | Path | None = None
    prompt: tuple[str | Path, ...] = ()
    overrides: Mapping[str, Any] = {}
    lq_key: str = "auto"
    dtype: str = "float32"


class Job(NamedTuple):
    """A request that fits: everything but the values is checked."""

    request: Request
    arch: str
    config: Any
    state: Mapping[str, np.ndarray]
    plan: engine.Plan

    def report(self) -> dict[str, Any]:
        """Returns where every tensor went, JSON-able."""
        used = {name: path for path, (names, _) in self.plan.sources.items() for name in names}
        return {
            "file": str(self.request.file),
            "arch": self.arch,
            "tensors": len(self.state),
            "used": used,
            "dead": self.plan.dead,
            "initial": {p: f"copy of {c}" if c else "zeros" for p, c in self.plan.initial.items()},
            "parameters": {path: list(shape) for path, shape in self.plan.shapes.items()},
        }

    def coverage(self) -> str:
        """Returns one line: what was used, left out and filled."""
        used = sum(len(names) for names, _ in self.plan.sources.values())
        line = f"{used} of {len(self.state)} tensors used, {len(self.plan.dead)} known as dead"
        line += f", {len(self.plan.shapes)} arrays filled"
        if self.plan.initial:
            line += f" ({len(self.plan.initial)} by their initial values)"
        return line


def prepare(request: Request) -> Job:
    """Returns the checked conversion; reads names and shapes, and few values.

    Raises UserError for a file that is damaged, incomplete, or of another architecture.
    """
    state: MappedArrays = checkpoint.read(request.file)
    arch = request.arch or recognise(state)
    if arch not in ARCHITECTURES:
        known = errors.nearest(arch, ARCHITECTURES)
        raise errors.UserError(f"--arch {arch}", "cannot be converted", known)
    kind = ARCHITECTURES[arch]
    overrides = dict(request.overrides)
    if kind.is_restorer:
        if arch == "dit4sr":
            overrides.setdefault("dit.lq_key", _lq_key(request, state))
        state = MappedArrays({**state.regions, **_companions(request, arch)})
    initial = (*kind.initial, *(_ZERO_PROMPT if request.prompt == ("zeros",) else ()))
    misfits = []
    for name in kind.presets:
        config = models.preset(name, **overrides)
        try:
            plan = engine.plan(
                state, kind.rules, pretrained.shapes(config), kind.dead(config), initial
            )
        except engine.Misfit as misfit:
            misfits.append(misfit)
            continue
        if kind.is_restorer:
            _check_positions(request, state, config)
        return Job(request, arch, config, state, plan)
    raise _refusal(request, arch, state, min(misfits, key=lambda m: len(m.problems)))


def convert(job: Job, folder: str | Path, *, name: str | None = None) -> Path:
    """Returns the model folder written, with a card and the mapping; arrays pass one by one.

    Raises UserError for values that are not finite, leaving nothing behind.
    """
    folder = Path(folder)
    dtype = pretrained.DTYPES[job.request.dtype]
    layout = {path: (_kept(path, dtype), shape) for path, shape in job.plan.shapes.items()}
    title = name or folder.name
    training: dict[str, Any] = {"converted_from": Path(job.request.file).name, "arch": job.arch}
    if ARCHITECTURES[job.arch].is_restorer:
        files = [Path(file).name for file in job.request.prompt]
        training["prompt"] = "stand-in: zeros" if files == ["zeros"] else files
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
    """Returns the architecture whose sign is among the names, or "" if there is none."""
    for arch, kind in ARCHITECTURES.items():
        if any(re.fullmatch(kind.sign, name) for name in state):
            return arch
    return ""


def _kept(path, dtype):
    """Returns the dtype of an array; running statistics stay float32, as sums lose terms in 16."""
    return dtype if path.startswith("params/") else pretrained.DTYPES["float32"]


def _defaults(config) -> dict[str, Any]:
    """Returns the refinement steps of flow networks."""
    return {"iters": config.iters} if hasattr(config, "iters") else {}


def _lq_key(request, state) -> str:
    if request.lq_key != "auto":
        return request.lq_key
    names = [name for name in state if re.fullmatch(r".*\.to_k_control\.(weight|bias)", name)]
    return "own" if any(state[name].any() for name in names) else "hq_twice"


def _companions(request, arch) -> dict[str, Region]:
    """Returns the autoencoder's tensors and the prompt's, by the names that the rules expect."""
    if request.vae is None:
        raise errors.UserError(
            "--vae", f"is missing; {arch} works on SD3's latents", "Give the autoencoder's file"
        )
    regions = dict(checkpoint.read(request.vae).regions)
    if request.prompt == ("zeros",):
        return regions
    if len(request.prompt) != 2:
        raise errors.UserError(
            "--prompt",
            f"has {len(request.prompt)} files; the empty prompt's encoding is two, TEXT and POOLED",
            "Give both, or --prompt zeros as a stand-in that the weights have never seen",
        )
    for name, file in zip(("text", "pooled"), request.prompt, strict=True):
        region = checkpoint.read_one(file)
        shape = region.shape
        squeezed = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape  # a batch of one
        strides = region.strides[-len(squeezed) :] if region.strides else None
        regions[f"prompt.{name}"] = region._replace(shape=squeezed, strides=strides)
    return regions


def _check_positions(request, state, config):
    table = state.get("pos_embed.pos_embed")
    if table is None:
        return
    side, width = config.dit.position_table, config.dit.width
    if table.size != side * side * width:
        rule = f"its position table has shape {table.shape}, not (1, {side * side}, {width})"
        raise errors.UserError(request.file, rule, "The file is of another architecture")
    error = dit4sr.position_error(table, config.dit)
    if error > 1e-5:
        raise errors.UserError(
            request.file,
            f"its position table differs from the formula by {error:.2g}",
            "It was trained with other codes; this network computes them and cannot use it",
        )


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
        f"- Terms of the weights: {ARCHITECTURES[job.arch].terms}.\n"
        f"- {job.coverage()}; `{MAPPING}` lists them.\n"
        f"- Stored as {job.request.dtype}.\n"
    )
