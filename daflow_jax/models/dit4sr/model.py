"""The lifted transformer: noisy and degraded latents in, velocity or clean content out."""

from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.dit4sr import blocks, loops
from daflow_jax.models.dit4sr.attention import Streams, Tap
from daflow_jax.models.dit4sr.config import DiTConfig
from daflow_jax.nn import attention, embed, norm, placement
from daflow_jax.ops import diffusion

TIME_FEATURES = 256  # SD3


class DiTOutput(NamedTuple):
    """prediction: velocity or clean latents (config.prediction), None with taps_only;
    taps: one per block of config.taps."""

    prediction: Float[Array, "b f h w c"] | None
    taps: tuple[Tap, ...]


def _run(config: DiTConfig, first: int, last: int) -> Any:
    """Returns the module class of the blocks from `first` to `last`."""
    block = blocks.Block if first == last else blocks.LoopedBlock
    if config.remat != "none":
        policies = jax.checkpoint_policies
        keep = {
            "full": None,
            "attention": policies.save_only_these_names(attention.ATTENDED),
            "dots": policies.dots_with_no_batch_dims_saveable,
        }
        policy, alone = keep[config.remat], first == last
        block = nn.remat(block, policy=policy, prevent_cse=alone, methods=["__call__"])
    if first == last:
        return block
    return nn.scan(
        block,
        variable_axes={"params": 0},
        split_rngs={"params": True},
        in_axes=cast(Any, nn.broadcast),
        length=last - first + 1,
        metadata_params={nn.PARTITION_NAME: "layers"},
        methods=["__call__"],
    )


class DiT(nn.Module):
    """DiT4SR, with the frames of a clip folded into one sequence (DA-Flow, sec. 4.2).

    All frames share time and position codes, so permuting frames permutes outputs.
    """

    config: DiTConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        stem = embed.PatchEmbed if c.stem == "patch" else embed.ConvStem
        self.stem = stem(c.width, c.patch_size, **kinds)
        self.context_embed = nn.Dense(c.width, **kinds)
        self.blocks = {  # by number: blocks_3, or blocks_4_12 for a loop over 4 to 12
            loops.name(*run): _run(c, *run)(c, run[0], **kinds) for run in c.runs
        }
        if c.form == "first_step":
            return
        self.time_embed = embed.EmbedMLP(c.width, **kinds)
        self.pooled_embed = embed.EmbedMLP(c.width, **kinds)
        self.norm_out = blocks.modulation(c, 2, False, **kinds)
        published = c.init == "published"
        self.proj_out = nn.Dense(
            c.patch_size**2 * c.channels,
            kernel_init=nn.initializers.zeros if published else nn.initializers.normal(0.02),
            **kinds,
        )

    def __call__(
        self,
        noisy: Float[Array, "b f h w c"],
        lq: Float[Array, "b f h w c"] | None,
        sigma: Float[Array, " b"],
        text: Float[Array, "b t dt"],
        pooled: Float[Array, "b dp"],
        *,
        taps_only: bool = False,
    ) -> DiTOutput:
        """Returns prediction and taps; h and w are multiples of the patch size.

        `lq` is None exactly if the configuration has no lq stream (`lq_key` "none"). `sigma` in
        [0, 1]. With `taps_only`, nothing behind the last tap is computed.
        """
        self._check(noisy, lq)
        if self.config.form == "first_step":
            if not taps_only:
                raise ValueError(
                    "form is 'first_step': this network gives the taps of the first denoising step "
                    "and cannot denoise; use the model that it was made from"
                )
            temb = jnp.ones((len(noisy), 1))  # the modulations are constants
        else:
            temb = self._time(sigma, pooled)
        x = self._tokens(noisy, lq, text)
        taps = []
        for (first, _), block in zip(self.config.runs, self.blocks.values(), strict=True):
            if taps_only and first == self.config.taps[-1]:
                return DiTOutput(None, (*taps, block.tap(x.hq, temb)))
            x, tap = block(x, temb)
            if first in self.config.taps:
                taps.append(tap)
        return DiTOutput(self._head(x.hq, temb), tuple(taps))

    def _check(self, noisy: Array, lq: Array | None) -> None:
        if (lq is None) != (self.config.lq_key == "none"):
            raise ValueError(
                f"lq is {'missing' if lq is None else 'given'} and lq_key is "
                f"{self.config.lq_key!r}; the lq stream takes part unless lq_key is 'none'"
            )
        size, patch = noisy.shape[2:4], self.config.patch_size
        if size[0] % patch or size[1] % patch:
            raise ValueError(
                f"latents are {size[0]}x{size[1]}; height and width must be multiples of {patch}: "
                "pad the frames"
            )

    def _time(self, sigma: Array, pooled: Array) -> Array:
        time = embed.sinusoid(diffusion.TIMESTEPS * sigma.astype(jnp.float32), TIME_FEATURES)
        return nn.silu(self.time_embed(time) + self.pooled_embed(pooled))

    def _tokens(self, noisy: Array, lq: Array | None, text: Array) -> Streams:
        c = self.config
        hq = placement.clip(self.stem(noisy))
        grid = (hq.shape[2], hq.shape[3])
        codes = embed.position_codes(grid, c.width, c.position_table, c.position_base)
        codes = jnp.asarray(codes, hq.dtype)
        copies = 1 if c.one_text else hq.shape[1]
        text = self.context_embed(text)[:, None]
        degraded = None if lq is None else placement.clip(self.stem(lq)) + codes
        return blocks.place(Streams(hq + codes, degraded, jnp.repeat(text, copies, 1)))

    def _head(self, hq: Array, temb: Array) -> Array:
        scale, shift = jnp.split(self.norm_out(temb), 2, -1)
        tokens = self.proj_out(norm.modulate(norm.layer_norm(hq), shift, scale))
        return embed.unpatchify(tokens, self.config.patch_size)
