"""The Python interface: load a model by name, call it on frames, read and write flow."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors, models, predict, pretrained
from daflow_jax.ops import warp as _warp
from daflow_jax.predict import Estimator, Layout, Result, Stream

Prompt = tuple[np.ndarray, np.ndarray]  # token embeddings (t, dt) and pooled ones (dp,)


class Model:
    """A flow network with its weights; call it on frames.

    Attributes:
        module: the Flax Linen module; `module.apply(variables, frames, iters)` is pure, takes float
            (b, f, h, w, 3) in [0, 1] with h and w multiples of `config.multiple` and at least 128.
        variables: {"params": ..., maybe "batch_stats": ...}; `params` is the first of them.
        config: the network's configuration. name: what it was saved as. meta: its config.json.
    """

    def __init__(
        self,
        config: Any,
        variables: Any,
        *,
        meta: dict[str, Any] | None = None,
        device: str = "auto",
        mesh: Mapping[str, int] | None = None,
        precision: str = "fp32",
        seed: int = 0,
        layout: Layout = Layout(),  # noqa: B008
        tell: Callable[..., None] = lambda line, end="\n": None,
    ):
        """Puts the weights on a device, or on several.

        Args:
            device: "auto", "cpu", "gpu", "tpu" or one of several, "cuda:1".
            mesh: run on as many devices of that kind as the product of the sizes: {"seq": 4} splits
                the rows of a clip, {"data": 2} takes clips side by side, {"tensor": 2} splits
                layers and their weights, and the axes combine.
            precision: "fp32", or "bf16" for the layers; correlation and flow stay float32.
            seed: of the noise that diffusion models start from.
            layout: batch, size buckets, tiles, smaller sizes to begin with.
            tell: called like `print` with text about compiling and memory.
        """
        if precision not in ("fp32", "bf16"):
            raise errors.UserError(f"precision {precision!r}", "is unknown", "Use fp32 or bf16")
        self.config, self.meta = config, meta or {}
        self.name = self.meta.get("name", config.family)
        self.module = models.build(config, dtype=jnp.bfloat16 if precision == "bf16" else None)
        self.layout, self.precision, self.seed = layout, precision, seed
        matmul = "highest" if precision == "fp32" else None
        place = _place(find_device(device), mesh)
        self.runner = predict.Runner(self.module, variables, place, seed, matmul, tell)

    @property
    def variables(self) -> Any:
        """The weights on the device, {"params": ..., maybe "batch_stats": ...}."""
        return self.runner.variables

    @property
    def params(self) -> Any:
        """The learned part of `variables`."""
        return self.runner.variables["params"]

    @property
    def iters(self) -> int:
        """Refinement steps unless asked otherwise: what the weights came with, or the network's."""
        return self.meta.get("defaults", {}).get("iters", self.config.iters)

    @property
    def scales(self) -> tuple[float, ...]:
        """Smaller sizes that are estimated first: as asked for, or what the weights came with."""
        if self.layout.scales is not None:
            return self.layout.scales
        return tuple(self.meta.get("defaults", {}).get("scales", ()))

    @property
    def num_parameters(self) -> int:
        """The number of learned values."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.params))

    def __call__(
        self,
        frames: np.ndarray | tuple[np.ndarray, np.ndarray],
        *,
        bidirectional: bool = False,
        iters: int | None = None,
        all: bool = False,
        uncertainty: bool = False,
        denoise_steps: int | None = None,
        tap_step: int | None = None,
        init_flow: np.ndarray | None = None,
    ) -> np.ndarray | Result:
        """Returns float32 flow in pixels of the frames: (dx right, dy down), frame k to k+1.

        Args:
            frames: (t, h, w, 3) gives (t-1, h, w, 2); a pair (a, b) of (h, w, 3) gives (h, w, 2).
                uint8, uint16 or float in [0, 1]; grey and alpha are handled; any size from 2x2.
            bidirectional: return a Result with backward flow, occlusion and confidence.
            iters: refinement steps; None is the model's own default, usually 12.
            all: return a Result with the flow after every step.
            uncertainty: return a Result with the network's own uncertainty, of models that have it.
            denoise_steps, tap_step: of models with a diffusion backbone.
            init_flow: flow in pixels that the refinement starts from, shaped as the result.

        Raises:
            UserError: frames of another dtype, range or shape; the rule and remedy are named.
        """
        if uncertainty:
            self.check_uncertainty()
        lone = isinstance(frames, tuple | list)
        stack = _stack(frames)
        estimator = self.estimator(iters, all, denoise_steps, tap_step)
        if init_flow is not None:
            init_flow = np.asarray(init_flow, np.float32).reshape(-1, *np.shape(init_flow)[-3:])
        result = predict.run_clip(estimator, stack, bidirectional, init_flow)
        if lone and len(stack) == 2:
            result = _only(result)
        return result if bidirectional or all or uncertainty else result.flow

    def stream(
        self,
        frames: Iterable[np.ndarray] | None = None,
        *,
        warm_start: bool = True,
        bidirectional: bool = False,
        uncertainty: bool = False,
        iters: int | None = None,
        denoise_steps: int | None = None,
        tap_step: int | None = None,
    ) -> Stream:
        """Returns an iterator over the flow of each pair of neighbours, at constant memory.

        Yields (h, w, 2) arrays, or Results if bidirectional or with the uncertainty;
        `reset(frames)` starts over.
        """
        if uncertainty:
            self.check_uncertainty()
        estimator = self.estimator(iters, False, denoise_steps, tap_step)
        kind = Stream if bidirectional or uncertainty else Flows
        return kind(estimator, frames, warm_start=warm_start, bidirectional=bidirectional)

    def check_uncertainty(self) -> None:
        """Raises UserError unless the network predicts its uncertainty."""
        if not self.config.uncertainty:
            remedy = "Train one with --config.model.uncertainty=True, or use SEA-RAFT"
            raise errors.UserError("uncertainty", f"{self.name} predicts none", remedy)

    def _is_first_step(self) -> bool:
        return self.config.family == "daflow" and self.config.backbone.dit.form == "first_step"

    def estimator(
        self,
        iters: int | None = None,
        all_iterations: bool = False,
        denoise_steps: int | None = None,
        tap_step: int | None = None,
    ) -> Estimator:
        """Returns what estimates the flow of frames in memory with these settings."""
        refinements = self.iters if iters is None else iters
        if refinements < 1:
            raise errors.UserError(f"iters {refinements}", "must be 1 or more", f"Use {self.iters}")
        if tap_step is not None and not 0 <= tap_step < (denoise_steps or 1):
            rule = f"is not in 0..{(denoise_steps or 1) - 1} of {denoise_steps or 1} steps"
            raise errors.UserError(f"tap_step {tap_step}", rule, "Lower it or raise denoise_steps")
        if tap_step and self._is_first_step():
            rule = "needs denoising, and this model was slimmed to its first step"
            raise errors.UserError(f"tap_step {tap_step}", rule, "Use the model it was made from")
        options = predict.Options(refinements, all_iterations, denoise_steps, tap_step)
        if options.diffusion() and self.config.family != "daflow":
            name = next(iter(options.diffusion()))
            raise errors.UserError(
                name, f"{self.name} has no diffusion backbone", "Leave it out or use daflow-nano"
            )
        if not self.scales:
            return Estimator(self.runner, options, self.layout)
        return predict.CoarseToFine(self.runner, options, self.layout, self.scales)


class Flows(Stream):
    """Iterates over plain flow (h, w, 2)."""

    def __next__(self) -> Any:
        return super().__next__().flow


def _only(result):
    """Returns the Result of the one pair without the pair axis."""
    steps = result.iterations
    first = Result._make(None if value is None else value[0] for value in result)
    return first._replace(iterations=None if steps is None else steps[:, 0])


def _stack(frames):
    if not isinstance(frames, tuple | list):
        frames = np.asarray(frames)
        if frames.ndim == 3:  # grey (t, h, w)
            frames = frames[..., None]
        if frames.ndim != 4:
            raise errors.UserError(
                "frames",
                f"shape {frames.shape} is not (t, h, w, 3)",
                "Pass a pair as a tuple (a, b)",
            )
        return predict.as_frames(frames)
    arrays = [np.asarray(frame) for frame in frames]
    parts = [predict.as_frames(x[..., None] if x.ndim == 2 else x) for x in arrays]
    shapes = sorted({f"{part.shape[1]}x{part.shape[0]}" for part in parts})
    if len(shapes) > 1:
        raise errors.UserError(
            "frames", f"sizes {' and '.join(shapes)}; frames share a size", "Resize them"
        )
    return np.stack(parts)


def find_device(name: str = "auto") -> jax.Device:
    """Returns the device called "auto", "cpu", "gpu", "tpu" or one by number, "cuda:1"."""
    platform, colon, index = name.partition(":")
    if platform not in ("auto", "cpu", "gpu", "cuda", "rocm", "tpu"):
        raise errors.UserError(
            f"device {name}",
            "is unknown",
            errors.nearest(platform, ["auto", "cpu", "gpu", "tpu", "cuda:1"]),
        )
    if colon and (platform == "auto" or not re.fullmatch("[0-9]+", index)):
        raise errors.UserError(
            f"device {name}", f"{index!r} names none", "Use auto, gpu or, counted from 0, cuda:1"
        )
    if platform == "auto":
        return jax.devices()[0]
    try:
        found = jax.devices(platform)
        return found[int(index or 0)]
    except RuntimeError:
        seen = ", ".join(sorted({device.platform for device in jax.devices()}))
        extra = "daflow-jax[tpu]" if platform == "tpu" else "daflow-jax[cuda12]"
        raise errors.UserError(
            f"--device {name}", f"JAX sees only {seen}", f"Install {extra} or run: daflow doctor", 3
        ) from None
    except IndexError:
        raise errors.UserError(
            f"--device {name}", f"JAX sees {len(found)} of this kind", "Count from 0", 3
        ) from None


def _place(device, mesh):
    return predict.Placement(device) if mesh is None else predict.spread(mesh, device)


def load(name: str | Path, **options) -> Model:
    """Returns the model of a name, a model folder or its .safetensors file; options as in Model."""
    loaded = pretrained.load(pretrained.resolve(name))
    if not hasattr(loaded.config, "iters"):
        rule = f"is a {loaded.config.family}, which gives no flow"
        remedy = "A restorer serves daflow restore, and DA-Flow as its backbone"
        raise errors.UserError(name, rule, remedy)
    return Model(loaded.config, loaded.variables, meta=loaded.meta, **options)


def load_restorer(
    name: str | Path,
    options: predict.RestoreOptions = predict.RestoreOptions(),  # noqa: B008
    *,
    prompt: Prompt | None = None,
    negative: Prompt | None = None,
    device: str = "auto",
    precision: str = "fp32",
    seed: int = 0,
    tell: Callable[..., None] = lambda line, end="\n": None,
) -> predict.ClipRestorer:
    """Returns what restores clips: a restorer by name or folder, or a DA-Flow model's backbone.

    `prompt` and `negative` are encoded prompts, (text (t, dt), pooled (dp,)); without them the
    model's own, empty one holds. The rest is as in Model.
    """
    if precision not in ("fp32", "bf16"):
        raise errors.UserError(f"precision {precision!r}", "is unknown", "Use fp32 or bf16")
    options.check(prompt is not None)
    loaded = pretrained.load(pretrained.resolve(name))
    config, variables = restorer_of(name, loaded)
    if config.dit.form != "full":
        rule = "was slimmed to the features that flow reads and cannot restore"
        raise errors.UserError(name, rule, "Use the model it was made from")
    exact = precision == "fp32"
    return predict.ClipRestorer(
        models.build(config, dtype=None if exact else jnp.bfloat16),
        variables,
        find_device(device),
        options,
        prompt=prompt,
        negative=negative,
        seed=seed,
        precision="highest" if exact else None,
        tell=tell,
        meta=loaded.meta,
    )


def restorer_of(name: str | Path, loaded: pretrained.LoadedModel) -> tuple[Any, Any]:
    """Returns configuration and variables of a restorer, or of the one inside a DA-Flow model."""
    config, variables = loaded.config, loaded.variables
    if config.family == "daflow":
        config, variables = config.backbone, {"params": variables["params"]["backbone"]}
    if config.family != "restorer":
        rule = f"is a {config.family} model, which has no restorer"
        raise errors.UserError(name, rule, "Name a restorer or a DA-Flow model")
    return config, variables


def restore(
    frames: np.ndarray,
    model: str | Path | predict.ClipRestorer,
    *,
    steps: int = 1,
    guidance: float = 1.0,
    color_fix: str = "none",
    window: int | None = None,
    **options,
) -> np.ndarray:
    """Returns restored frames, float32 (t, h, w, 3) in [0, 1].

    Args:
        frames: (t, h, w, 3), uint8, uint16 or float in [0, 1]; any size.
        model: name or folder of a restorer or of a DA-Flow model; or what `load_restorer` returned,
            whose own settings hold.
        steps: denoising steps. Small models predict clean content at once; DiT4SR is run with 40.
        guidance: scale of classifier-free guidance; others than 1 need `prompt`.
        color_fix: "none", or give the result the colours of its input by "adain" or "wavelet".
        window: frames that are restored together; None is the model's own clip length.
        options: prompt, negative, seed, device, precision: see `load_restorer`.
    """
    if not isinstance(model, predict.ClipRestorer):
        chosen = predict.RestoreOptions(steps, guidance, color_fix, window)
        model = load_restorer(model, chosen, **options)
    return model(_stack(frames))


def create(config: Any) -> tuple[Any, Any]:
    """Returns the Linen module and the abstract variables of a preset's name or a configuration."""
    config = models.preset(config) if isinstance(config, str) else config
    return models.build(config), pretrained.abstract_variables(config)


def save(model: Model, path: str | Path, *, name: str | None = None) -> Path:
    """Returns the model folder written at `path`; `load` reads it back bit for bit."""
    return pretrained.save(
        path,
        model.config,
        model.variables,
        name=name or model.name,
        defaults=model.meta.get("defaults"),
        training=model.meta.get("training"),
    )


def warp(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Returns `image` (h, w, c) read where `flow` (h, w, 2) points: frame 2 on frame 1's grid.

    Float32, 0 where the flow leaves the image.
    """
    arrays = jnp.asarray(image, jnp.float32), jnp.asarray(flow, jnp.float32)
    return np.asarray(jax.jit(_warp.warp)(*arrays))
