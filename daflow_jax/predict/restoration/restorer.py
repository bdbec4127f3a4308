"""Restored frames of clips of any size and length: pad, window, denoise, fix colours, cut."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors
from daflow_jax.models.dit4sr.restorer import Embeddings, Guidance
from daflow_jax.ops import color
from daflow_jax.predict import memory, padding
from daflow_jax.predict import program as programs
from daflow_jax.predict.frames import as_frames

COLOR_FIXES: dict[str, Callable[..., jax.Array] | None] = {
    "none": None,
    "adain": color.adain,
    "wavelet": color.wavelet,
}


class RestoreOptions(NamedTuple):
    """What one run asks for.

    steps: denoising steps. guidance: its scale; others than 1 need a prompt. color_fix: which form
    of `daflow_jax.ops.color` gives the result the colours of its input, or "none". window: frames
    that are restored together, None = as many as the model was trained on.
    """

    steps: int = 1
    guidance: float = 1.0
    color_fix: str = "none"
    window: int | None = None

    def check(self, has_prompt: bool) -> None:
        """Raises UserError for values outside of their range."""
        for name, value in (("steps", self.steps), ("window", self.window)):
            if value is not None and value < 1:
                raise errors.UserError(f"{name} {value}", "must be 1 or more", "Raise it")
        if self.color_fix not in COLOR_FIXES:
            known = errors.nearest(self.color_fix, COLOR_FIXES)
            raise errors.UserError(f"color fix {self.color_fix}", "is unknown", known)
        if self.guidance < 1:
            raise errors.UserError(f"guidance {self.guidance:g}", "must be 1 or more", "Use 1")
        if self.guidance != 1 and not has_prompt:
            raise errors.UserError(
                f"guidance {self.guidance:g}",
                "leads towards a positive prompt, and none is given",
                "Pass the encoded prompt, or use guidance 1",
            )


class ClipRestorer:
    """Restores clips with one network; holds one window of frames, whatever the length.

    Every window starts from the same noise, so a run is a function of frames and seed. The last
    window of a clip reaches back over frames that are done, so that it is as long as the others.

    Args:
        module, variables: a `Restorer` and its weights.
        device: a jax device.
        options: see RestoreOptions.
        prompt, negative: encoded prompts, each (text (t, dt), pooled (dp,)); None is the empty one.
        seed: of the noise.
        precision: of matrix products, None is the device's own.
        tell: called like `print` with text about compiling and memory.
        meta: the model's config.json; `name` and `sha256` are read from it.
    """

    def __init__(
        self,
        module: Any,
        variables: Any,
        device: jax.Device,
        options: RestoreOptions,
        *,
        prompt: Any = None,
        negative: Any = None,
        seed: int = 0,
        precision: str | None = "highest",
        tell: Callable[..., None] = lambda line, end="\n": None,
        meta: dict[str, Any] | None = None,
    ):
        options.check(prompt is not None)
        if negative is not None and options.guidance == 1:
            raise errors.UserError(
                "negative prompt", "is not read at guidance 1", "Raise guidance or leave it out"
            )
        self.module, self.device, self.options, self.tell = module, device, options, tell
        self.meta = meta or {}
        self.window = options.window or module.config.frames
        self._precision = precision
        prompts = tuple(None if p is None else _embeddings(p, module.config) for p in
                        (prompt, negative))  # fmt: skip
        self._fixed = jax.device_put((variables, jax.random.key(seed), prompts), device)
        self._programs: dict[tuple[int, ...], Callable[..., jax.Array]] = {}

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Returns float32 (t, h, w, 3) in [0, 1] of frames (t, h, w, 3) in any accepted form."""
        return np.stack(list(self.stream(frames)))

    def stream(self, frames: Iterable[np.ndarray], where: str = "frames") -> Iterator[np.ndarray]:
        """Yields each frame restored, float32 (h, w, 3) in [0, 1]; `where` names them in errors."""
        source, held = iter(frames), []
        while fresh := self._take(source, held, where):
            window = (held + fresh)[-self.window :]
            yield from self._restored(np.stack(window))[-len(fresh) :]
            held = window
        if not held:
            raise errors.UserError(where, "no frame", "Name one or more")

    def _take(self, source, held, where):
        taken = []
        for frame in itertools.islice(source, self.window):
            taken.append(as_frames(frame, where))
            first = (held or taken)[0].shape
            if taken[-1].shape != first:
                got = taken[-1].shape
                rule = (
                    f"a frame of {got[1]}x{got[0]} after {first[1]}x{first[0]}; frames of one "
                    "sequence share a size"
                )
                raise errors.UserError(where, rule, "Resize or split the sequence")
        return taken

    def _restored(self, frames: np.ndarray) -> np.ndarray:
        multiple = self.module.config.multiple
        around = padding.fit(frames.shape[1:3], multiple, multiple)
        padded = padding.pad(frames, around)
        self._check_size(padded.shape[1:3])
        out = self._program(padded.shape)(*self._fixed, jax.device_put(padded, self.device))
        restored = np.ascontiguousarray(padding.crop(np.asarray(out, np.float32), around))
        fix = COLOR_FIXES[self.options.color_fix]
        if fix is None:
            return restored
        return np.asarray(_matched(fix, jnp.asarray(restored), jnp.asarray(frames)))

    def _check_size(self, size):
        config = self.module.config
        largest = config.dit.position_table * config.multiple
        if max(size) > largest:
            raise errors.UserError(
                "frames", f"{size[1]}x{size[0]}; this model ends at {largest}", "Make them smaller"
            )

    def _program(self, shape):
        if shape not in self._programs:
            sharding = jax.sharding.SingleDeviceSharding(self.device)
            clip = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=sharding)
            count, height, width, _ = shape
            try:
                program = programs.build(
                    self._function,
                    (*self._fixed, clip),
                    f"{height}x{width} ({count} frames)",
                    self.device,
                    precision=self._precision,
                    tell=self.tell,
                )
            except memory.OutOfMemory as error:
                remedy = "Use a smaller --window, smaller frames or more memory"
                raise errors.UserError("memory", str(error), remedy, 3) from None
            self._programs[shape] = program.call
        return self._programs[shape]

    def _function(self, variables, key, prompts, clip):
        """The pure function of the frames of one window that is compiled."""
        guidance = Guidance(*prompts, scale=self.options.guidance)
        steps = self.options.steps
        return self.module.apply(variables, clip[None], key, steps, guidance, method="restore")[0]


def _embeddings(prompt, config):
    text, pooled = (np.asarray(part, np.float32) for part in prompt)
    widths = config.dit.text_width, config.dit.pooled_width
    if text.ndim != 2 or pooled.ndim != 1 or (text.shape[1], *pooled.shape) != widths:
        raise errors.UserError(
            "prompt",
            f"text {text.shape} and pooled {pooled.shape}; the model reads (tokens, {widths[0]}) "
            f"and ({widths[1]},)",
            "Encode it for this model",
        )
    return Embeddings(jnp.asarray(text), jnp.asarray(pooled))


def _fix_colors(fix, content, style):
    return jnp.clip(fix(content, style), 0.0, 1.0)


_matched = jax.jit(_fix_colors, static_argnums=0)
