"""Restoration of the frame in the middle of a clip, with a start flow from whole frames (JFFRA)."""

import dataclasses
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors, ranges
from daflow_jax.degrade import matlab_resize, raw_noise, video
from daflow_jax.metrics import mean
from daflow_jax.ops import pad, scales
from daflow_jax.tasks import base
from daflow_jax.tasks import video_windows as windows
from daflow_jax.tasks.inputs import FLOW, FLOW_BACK, FRAMES, MASK, Batch, Input, Inputs, optional
from daflow_jax.tasks.video_crops import Crop

SCALE = {"noise": 1, "blind_noise": 1, "raw": 1, "bi": 4, "bd": 4}
STARTS = ("network", "given", "true")
_DEGRADED = Input("b f h w 3", np.float32, "may leave [0, 1]", optional=True)
_START = Input("b f-1 h w 2", np.float32, "px", optional=True)


@dataclasses.dataclass(frozen=True)
class VideoRestoration(base.BaseTask):
    """Trains a network that restores the frame in the middle of its window.

    Clean clips are degraded inside of the step, whole; flow is found on whole degraded frames; then
    crops are cut.

    Attributes:
        degradation: "noise" (white, its level is read by networks with a noise map), "blind_noise",
            "raw" (a sensor's), "bi" or "bd" (a quarter of the size), or "given": the batch's lq,
            such as this project's own mixtures or a set of pairs.
        noise: least and most grey levels of "noise" and "blind_noise".
        iso: of "raw".
        crop: side of the crops in pixels of the degraded frames; 0 trains on whole frames.
        turns: whether crops are mirrored and transposed at random.
        temporal: weight of the temporal loss, which needs clips one frame longer than the window.
        flow: weight of the error of every level's flow; the batch then needs true flow, both ways.
        start: where the start flow is from: the model's own "network" (zero flow if it has none),
            "given" as a batch's start, or the "true" flow (an upper bound).
    """

    module: base.Network
    degradation: str = "noise"
    noise: tuple[float | int, float | int] = (0, 50)
    iso: tuple[int, ...] = tuple(raw_noise.CRVD)
    crop: int = 0
    turns: bool = True
    temporal: float = 0.0
    flow: float = 0.0
    start: str = "network"
    best = "psnr"
    work_unit = "clip"

    def __post_init__(self):
        ranges.check(self, temporal=(0, 1e6), flow=(0, 1e6), noise=(0, 255), crop=(0, 8192))
        ranges.check_choice(self, degradation=(*SCALE, "given"), start=STARTS)
        unknown = [iso for iso in self.iso if iso not in raw_noise.CRVD]
        if unknown or not self.iso:
            known = ", ".join(map(str, raw_noise.CRVD))
            raise ValueError(f"iso is {self.iso}; use some of {known}")
        if self.noise[0] > self.noise[-1] or len(self.noise) != 2:
            raise ValueError(f"noise is {self.noise}; write (least, most)")
        self._check_network()

    def _check_network(self) -> None:
        c, wanted = self._config, SCALE.get(self.degradation)
        if wanted is not None and c.scale != wanted:
            rule = f"degradation is {self.degradation!r}, a scale of {wanted}, and the model's is"
            raise ValueError(f"{rule} {c.scale}; use another model or degradation")
        if c.noise_map and self.degradation != "noise":
            rule = f"degradation is {self.degradation!r} and the model reads a noise level"
            raise ValueError(f'{rule}; use "noise", or a model without noise_map')
        if self.crop % c.multiple:
            raise ValueError(f"crop is {self.crop}; use a multiple of {c.multiple}")

    @property
    def inputs(self) -> Inputs:
        """Clean frames; degraded ones, start and true flow where the settings read them."""
        as_needed = (lambda x: x._replace(optional=False)) if self._reads_truth else optional
        inputs = {"hq": FRAMES}
        if self.degradation == "given":
            inputs["lq"] = _DEGRADED._replace(optional=False)
        if self.start == "given":
            inputs["start"] = _START._replace(optional=False)
        truth = {"flow": FLOW, "valid": MASK, "flow_back": FLOW_BACK, "valid_back": MASK}
        inputs |= {name: as_needed(declared) for name, declared in truth.items()}
        return inputs | {"occlusion": optional(MASK), "occlusion_back": optional(MASK)}

    @property
    def _reads_truth(self) -> bool:
        return bool(self.flow) or self.start == "true"

    @property
    def _config(self) -> Any:
        return cast(Any, self.module).config

    def init(self, rng: jax.Array, batch: Batch) -> dict[str, Any]:
        """Returns the module's variables."""
        c, keys = self._config, dict(params=rng, noise=rng)
        side = max(c.minimum, c.multiple)
        return dict(self.module.init(keys, jnp.zeros((1, c.frames, side, side, 3))))

    def loss(self, params, aux, batch: Batch, rng: jax.Array) -> base.LossOut:
        """Returns the mean absolute error, and the weighted parts beside it (the seed's eq. 15)."""
        variables, keys = {"params": params, **aux}, jax.random.split(rng, 3)
        clips, weight = self._clips(variables, batch, keys[0]), windows.weight(batch)
        between = self._between(variables, batch, keys[0]) if self.temporal else None
        if self.crop:
            if min(clips.lq.shape[2:4]) < self.crop:
                size = f"{clips.lq.shape[3]}x{clips.lq.shape[2]}"
                rule = f"{self.crop} px, and degraded frames are {size}"
                raise errors.UserError("config.task.crop", rule, "Make it smaller")
            crop = Crop(self.crop, self.turns)
            clips, between = windows.cropped(crop, keys[1], clips, between, self._config.scale)
        out = self._run(variables, clips, keys[2])
        each = jnp.repeat(weight, len(clips.hq) // len(weight))
        error = windows.weighted(jnp.abs(out.frame - clips.hq).mean((1, 2, 3)), each)
        parts = {"l1": error}
        if self.temporal:
            parts["temporal"] = windows.flicker_loss(out.frame, clips.hq, between, weight)
        if self.flow:
            parts["flow"] = windows.flow_error(out.flows, clips.truth, each)
        total = error + self.temporal * parts.get("temporal", 0) + self.flow * parts.get("flow", 0)
        return base.LossOut(total, parts if len(parts) > 1 else {}, aux, jnp.sum(weight))

    def evaluate(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, mean.Mean]:
        """Returns PSNR (dB) of whole restored frames and of the degraded ones, flicker where clips
        are longer than the window, and the error (px of the whole size) of the start and of every
        level's flow where true flow is known."""
        clips, out = self.run(params, aux, batch, rng)
        weight = windows.weight(batch)
        count = len(clips.hq) // len(weight)
        each = jnp.repeat(weight, count)
        found = {
            "psnr": windows.psnr(out.frame, clips.hq, each),
            "psnr_lq": windows.psnr(self._shown(clips), clips.hq, each),
        }
        if count > 1:
            between = self._between({"params": params, **aux}, batch, rng)
            found["opw"] = windows.opw(out.frame, clips.hq, between, weight)
        return found | windows.level_errors(clips, out.flows, each)

    def run(self, params, aux, batch: Batch, rng: jax.Array) -> tuple[windows.Clips, Any]:
        """Returns the windows of a batch, whole, and what the network gives for them: a restored
        `frame` (n, s h, s w, 3), and `flows` by level."""
        variables, keys = {"params": params, **aux}, jax.random.split(rng, 2)
        clips = self._clips(variables, batch, keys[0])
        return clips, self._run(variables, clips, keys[1])

    def pictures(self, params, aux, batch: Batch, rng: jax.Array) -> dict[str, np.ndarray]:
        """Returns the middle frame of the first clip: degraded, restored and true."""
        first = {key: jnp.asarray(value[:1]) for key, value in batch.items()}
        variables = {"params": params, **aux}
        frames = base.run_whole(VideoRestoration._picture, self, variables, first, rng)
        return {
            key: np.asarray(jnp.round(255 * jnp.clip(x, 0, 1))).astype(np.uint8)
            for key, x in frames.items()
        }

    def _picture(self, variables, batch, rng):
        clips = self._clips(variables, batch, rng)
        out = self._run(variables, clips, rng)
        return {"lq": self._shown(clips)[0], "hq": clips.hq[0], "restored": out.frame[0]}

    def _shown(self, clips: windows.Clips) -> jax.Array:
        frame = clips.lq[:, clips.lq.shape[1] // 2]
        return frame if self._config.scale == 1 else matlab_resize.resize(frame, 4)

    def _clips(self, variables, batch, rng) -> windows.Clips:
        """Returns every window of the batch's clips, whole, with its start flow."""
        window, keys = self._config.frames, jax.random.split(rng, 2)
        hq, frames = batch["hq"], batch["hq"].shape[1]
        if frames < window:
            rule = f"{frames} frames; this model's window is {window}"
            raise errors.UserError("config.data.scene.frames", rule, f"Use {window}")
        lq, noise = self._degraded(keys[0], batch)
        count = frames - window + 1
        firsts = range(count)
        lq = windows.folded([lq[:, i : i + window] for i in firsts])
        truth = None
        if {"flow", "valid", "flow_back", "valid_back"} <= set(batch):
            found = [windows.outwards(batch, i, window) for i in firsts]
            flow, valid = (windows.folded([pair[k] for pair in found]) for k in (0, 1))
            truth = scales.target_at(flow, valid, windows.size_of(lq))
        return windows.Clips(
            lq,
            self._started(variables, batch, lq, truth, keys[1]),
            windows.folded([hq[:, i + window // 2][:, None] for i in firsts])[:, 0],
            truth,
            None if noise is None else jnp.repeat(noise, count),
        )

    def _degraded(self, rng, batch) -> tuple[jax.Array, jax.Array | None]:
        hq = batch["hq"]
        if self.degradation in ("noise", "blind_noise"):
            return video.white_noise(rng, hq, *self.noise)
        if self.degradation == "raw":
            return video.sensor_noise(rng, hq, self.iso), None
        if self.degradation in ("bi", "bd"):
            return getattr(video, self.degradation)(hq), None
        lq = batch["lq"]
        return (lq if self._config.scale == 1 else video.bi(lq)), None

    def _started(self, variables, batch, lq, truth, rng) -> jax.Array:
        if self.start == "true":
            return cast(Any, truth)[0]
        if self.start == "given":
            if len(batch["start"]) != len(lq):
                rule = "is given for one window of a clip"
                raise errors.UserError(
                    "config.task.start", rule, "Use clips of the window's length"
                )
            return scales.flow_at(batch["start"], windows.size_of(lq))
        options = dict(rngs={"noise": rng}, method="start_flow")
        return jax.lax.stop_gradient(cast(Any, self.module.apply(variables, lq, **options)))

    def _between(self, variables, batch, rng) -> jax.Array:
        """Returns the flow from each middle frame to the one before, of the clean frames,
        (b, w - 1, H, W, 2): the true one where the batch has it, else the network's."""
        window, hq = self._config.frames, batch["hq"]
        first, last = window // 2, hq.shape[1] - window + window // 2
        if first == last:
            rule = f"{hq.shape[1]} frames; the temporal loss compares two windows of {window}"
            raise errors.UserError("config.data.scene.frames", rule, f"Use {window + 1}")
        if "flow_back" in batch:
            return batch["flow_back"][:, first:last]
        options = dict(rngs={"noise": rng}, method="start_flow")
        places = range(first + 1, last + 1)
        around = [windows.around(hq, i, window) for i in places]
        flows = [cast(Any, self.module.apply(variables, x, **options)) for x in around]
        return jax.lax.stop_gradient(jnp.stack([x[:, window // 2 - 1] for x in flows], 1))

    def _run(self, variables, clips: windows.Clips, rng) -> Any:
        """Returns the network's output for clips of any size."""
        c = self._config
        around = pad.fit(windows.size_of(clips.lq), c.multiple, c.minimum)
        lq, start = (pad.pad(x, around) for x in (clips.lq, clips.start))
        noise = clips.noise if c.noise_map else None
        out = cast(Any, self.module.apply(variables, lq, start, noise, rngs={"noise": rng}))
        if not any(around):
            return out
        size = lq.shape[2:4]
        flows = {name: windows.cut_flow(x, size, around) for name, x in out.flows.items()}
        return out._replace(frame=pad.crop(out.frame, around, c.scale), flows=flows)
