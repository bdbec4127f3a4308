"""DA-Flow: diffusion and image features, joined correlation and context, RAFT's refinement."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from flax.linen import dtypes
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.daflow import dpt
from daflow_jax.models.daflow.config import DAFlowConfig
from daflow_jax.models.dit4sr.restorer import Restorer
from daflow_jax.models.outputs import FlowOutput
from daflow_jax.models.raft.model import RAFT, check_size
from daflow_jax.nn import placement
from daflow_jax.ops import correlation


class Fuse(nn.Module):
    """1 x 1 convolution of both contexts that starts as the identity on the image part."""

    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, image: Float[Array, "p h w c"], diffusion: Float[Array, "p h w d"]
    ) -> Float[Array, "p h w c"]:
        channels = image.shape[-1]

        def identity(rng, shape, dtype):
            return jnp.eye(*shape, dtype=dtype)

        shape = (channels + diffusion.shape[-1], channels)
        kernel = self.param("kernel", identity, shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, (channels,), self.param_dtype)
        both = jnp.concatenate([image, diffusion.astype(image.dtype)], axis=-1)
        both, kernel, bias = dtypes.promote_dtype(both, kernel, bias, dtype=self.dtype)
        # Full precision: at the start it must return the image part to the last bit.
        return jnp.dot(both, kernel, precision="highest") + bias


class DAFlow(nn.Module):
    """Flow of every neighbouring pair of a degraded clip (DA-Flow, fig. 2).

    The last convolution of the key head starts at zero, so a new network is its RAFT exactly; the
    query head does not, or neither would ever receive a gradient.
    """

    config: DAFlowConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.backbone = Restorer(c.backbone, **kinds)
        self.flow = RAFT(c.flow, **kinds)
        query = dpt.DPTConfig(c.matching_features, c.channels)
        self.dpt_query = dpt.DPTHead(query, **kinds)
        self.dpt_key = dpt.DPTHead(dataclasses.replace(query, zero_last=True), **kinds)
        self.dpt_context = dpt.DPTHead(dpt.DPTConfig(c.context_features, c.channels), **kinds)
        self.fuse = Fuse(**kinds)

    def diffusion_features(
        self, frames: Float[Array, "b f h w 3"], rng: jax.Array, steps: int, tap_step: int
    ) -> tuple[Float[Array, "p hl wl c"], Float[Array, "p hl wl c"], Float[Array, "p hl wl d"]]:
        """Returns query features of frame k, key features of k+1 and context of k on the 1/8 grid,
        for the p = b * (f - 1) pairs (DA-Flow, eq. 14)."""
        taps = self.backbone.features(frames, rng, steps, tap_step)
        tokens = self.config.backbone.multiple
        grid = (frames.shape[2] // tokens, frames.shape[3] // tokens)
        queries = tuple(_merged(tap.query[:, :-1]) for tap in taps)
        keys = tuple(_merged(tap.key[:, 1:]) for tap in taps)
        return (
            placement.maps(self.dpt_query(queries, grid)),
            placement.maps(self.dpt_key(keys, grid)),
            placement.maps(self.dpt_context(queries, grid)),
        )

    def correlate(self, fmaps, query, key) -> correlation.Pyramid:
        """Returns the pyramid of the joined features (DA-Flow, eq. 15)."""
        image = self.flow.correlate(_merged(fmaps[:, :-1]), _merged(fmaps[:, 1:]))
        diffusion = self.flow.correlate(query, key)
        if self.config.corr_norm == "joint":
            c, d = fmaps.shape[-1], query.shape[-1]
            image = correlation.scale(image, (c / (c + d)) ** 0.5)
            diffusion = correlation.scale(diffusion, (d / (c + d)) ** 0.5)
        return correlation.add(image, diffusion)

    def __call__(
        self,
        frames: Float[Array, "b f h w 3"],
        iters: int = 12,
        *,
        init_flow: Float[Array, "b q hl wl 2"] | None = None,
        train: bool = False,
        all_iterations: bool = False,
        denoise_steps: int = 1,
        tap_step: int = 0,
        backbone_frames: Float[Array, "b f h w 3"] | None = None,
    ) -> FlowOutput:
        """Returns flow k -> k+1 for every pair of neighbours; needs the random stream "noise".

        Args:
            frames: degraded frames in [0, 1]; h and w multiples of `config.multiple`, 128 or more.
            iters, init_flow, train, all_iterations: as in RAFT.
            denoise_steps, tap_step: length of the denoising run, and the step that is read.
            backbone_frames: what the backbone sees instead of `frames`. With those of another
                clip, the error tells how much the network relies on the diffusion features.
        """
        check_size(frames.shape, self.config.multiple)
        fmaps = self.flow.features(frames, train)
        context = self.flow.contexts(frames, train)
        seen = frames if backbone_frames is None else backbone_frames
        query, key, diffusion_context = self.diffusion_features(
            seen, self.make_rng("noise"), denoise_steps, tap_step
        )
        corr = self.correlate(fmaps, query, key)
        context = self.fuse(context, diffusion_context)
        return self.flow.refine(corr, context, init_flow, len(frames), iters, all_iterations)


def _merged(x: Array) -> Array:
    return rearrange(x, "b f ... -> (b f) ...")
