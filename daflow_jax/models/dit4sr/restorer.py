"""A restorer of clips around the diffusion transformer: codec, prompt, denoising, features."""

from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from flax.linen import dtypes
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.dit4sr.attention import Tap
from daflow_jax.models.dit4sr.config import RestorerConfig
from daflow_jax.models.dit4sr.model import DiT, DiTOutput
from daflow_jax.models.vae.model import VAE
from daflow_jax.nn import placement
from daflow_jax.ops import diffusion


class Embeddings(NamedTuple):
    """One encoded prompt: token embeddings and their pooled form."""

    text: Float[Array, "t dt"]
    pooled: Float[Array, " dp"]


class Guidance(NamedTuple):
    """What steers a denoising run (classifier-free guidance, Ho and Salimans 2021).

    prompt: None means the model's own, the empty one. negative: what to lead away from, None means
    the empty prompt. scale: velocity = negative + scale (prompt - negative), two evaluations per
    step; 1 reads `prompt` alone and costs one. DiT4SR is published with 8, and prompts of quality
    words on both sides.
    """

    prompt: Embeddings | None = None
    negative: Embeddings | None = None
    scale: float = 1.0

    def check(self) -> None:
        """Raises ValueError for a scale that nothing could act on."""
        if self.scale != 1 and self.prompt is None:
            raise ValueError(
                f"guidance is {self.scale:g} without a prompt; it leads from the negative to the "
                "positive prompt: give one, or set guidance to 1"
            )
        if self.scale == 1 and self.negative is not None:
            raise ValueError(
                "a negative prompt is given and guidance is 1, which does not read it; raise "
                "guidance or leave it out"
            )


_UNGUIDED = Guidance()


class Prompt(nn.Module):
    """A learned pair of prompt embeddings: a stand-in for the published encoding of the empty text.

    Published weights have seen that encoding, which is not zero; load it into these two parameters
    where it is at hand. Trained from scratch, the stand-in is the prompt.
    """

    tokens: int
    text_width: int
    pooled_width: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self) -> Embeddings:
        init = nn.initializers.normal(0.02)
        text = self.param("text", init, (self.tokens, self.text_width), self.param_dtype)
        pooled = self.param("pooled", init, (self.pooled_width,), self.param_dtype)
        return Embeddings(*dtypes.promote_dtype(text, pooled, dtype=self.dtype))


class Restorer(nn.Module):
    """Restores degraded clips, and lends the features that it works with.

    Frames are (b, f, h, w, 3) in [0, 1], height and width multiples of `config.multiple`; latents
    are pixels in [-1, 1] or the autoencoder's.
    """

    config: RestorerConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.prompt = Prompt(c.prompt_tokens, c.dit.text_width, c.dit.pooled_width, **kinds)
        self.dit = DiT(c.dit, **kinds)
        if c.codec == "vae":
            self.vae = VAE(c.vae, **kinds)

    def encode(
        self, frames: Float[Array, "b f h w 3"], rng: jax.Array | None = None
    ) -> Float[Array, "b f gh gw c"]:
        """Returns latents; the autoencoder's are drawn with `rng`, their mean without."""
        self._check(frames)
        images = placement.clip(2 * frames - 1)
        if self.config.codec == "pixels":
            return images
        latents = self.vae.encode(rearrange(images, "b f h w c -> (b f) h w c"), rng)
        return placement.clip(rearrange(latents, "(b f) h w c -> b f h w c", f=frames.shape[1]))

    def decode(self, latents: Float[Array, "b f gh gw c"]) -> Float[Array, "b f h w 3"]:
        """Returns frames, clipped to [0, 1]."""
        images = latents
        if self.config.codec == "vae":
            images = self.vae.decode(rearrange(latents, "b f h w c -> (b f) h w c"))
            images = rearrange(images, "(b f) h w c -> b f h w c", f=latents.shape[1])
        return jnp.clip((images + 1) / 2, 0.0, 1.0)

    def __call__(
        self,
        noisy: Float[Array, "b f gh gw c"],
        lq: Float[Array, "b f gh gw c"],
        sigma: Float[Array, " b"],
        *,
        taps_only: bool = False,
        prompt: Embeddings | None = None,
    ) -> DiTOutput:
        """Returns prediction and taps at noise level `sigma`, by default under the empty prompt."""
        prompt = self.prompt() if prompt is None else prompt
        text, pooled = (jnp.repeat(x[None], len(noisy), 0) for x in prompt)
        return self.dit(noisy, lq, sigma, text, pooled, taps_only=taps_only)

    def velocity(
        self,
        noisy: Float[Array, "b f gh gw c"],
        lq: Float[Array, "b f gh gw c"],
        sigma: Float[Array, " b"],
        guidance: Guidance = _UNGUIDED,
    ) -> Float[Array, "b f gh gw c"]:
        """Returns the velocity at `noisy`, whatever the network predicts."""
        guidance.check()
        positive = self._velocity(noisy, lq, sigma, guidance.prompt)
        if guidance.scale == 1:
            return positive
        negative = self._velocity(noisy, lq, sigma, guidance.negative)
        return negative + guidance.scale * (positive - negative)

    def _velocity(self, noisy: Array, lq: Array, sigma: Array, prompt: Embeddings | None) -> Array:
        prediction = cast(Array, self(noisy, lq, sigma, prompt=prompt).prediction)
        if self.config.dit.prediction == "velocity":
            return prediction
        return diffusion.x0_to_velocity(prediction, noisy, sigma)

    def denoise(
        self,
        noisy: Float[Array, "b f gh gw c"],
        lq: Float[Array, "b f gh gw c"],
        sigmas: Float[Array, " steps"],
        guidance: Guidance = _UNGUIDED,
    ) -> Float[Array, "b f gh gw c"]:
        """Returns the latents after Euler steps from sigmas[0] to sigmas[-1]."""

        def step(module, x, sigma, sigma_next):
            velocity = module.velocity(x, lq, jnp.full(len(x), sigma), guidance)
            return diffusion.euler_step(x, velocity, sigma, sigma_next), None

        # a loop: the network is compiled once for any number of steps
        scan = nn.scan(step, variable_broadcast="params", split_rngs={"params": False})
        return scan(self, noisy, sigmas[:-1], sigmas[1:])[0]

    def features(
        self,
        frames: Float[Array, "b f h w 3"],
        rng: jax.Array,
        steps: int = 1,
        tap_step: int = 0,
    ) -> tuple[Tap, ...]:
        """Returns the taps of step `tap_step` (0-based) of a denoising run of `steps` steps.

        The run starts from noise, independent per frame; nothing behind the last tap is computed in
        the tapped step (DA-Flow, sec. 4.3).
        """
        if not 0 <= tap_step < steps:
            raise ValueError(
                f"tap_step is {tap_step} of {steps} steps; choose one from 0 to {steps - 1}"
            )
        lq, noisy, sigmas = self._start(frames, rng, steps)
        if self.is_initializing() and self.config.dit.form == "full":
            # all parameters exist, whichever method runs first
            out = self(noisy, lq, jnp.ones(len(lq)))
            self.decode(cast(Array, out.prediction))
            return out.taps
        if tap_step:
            noisy = self.denoise(noisy, lq, sigmas[: tap_step + 1])
        sigma = jnp.full(len(lq), sigmas[tap_step])
        return self(noisy, lq, sigma, taps_only=True).taps

    def restore(
        self,
        frames: Float[Array, "b f h w 3"],
        rng: jax.Array,
        steps: int = 1,
        guidance: Guidance = _UNGUIDED,
    ) -> Float[Array, "b f h w 3"]:
        """Returns restored frames in [0, 1] after `steps` denoising steps, a function of `rng`."""
        lq, noisy, sigmas = self._start(frames, rng, steps)
        return self.decode(self.denoise(noisy, lq, sigmas, guidance))

    def _start(self, frames: Array, rng: jax.Array, steps: int) -> tuple[Array, Array, Array]:
        noise_key, codec_key = jax.random.split(rng)
        lq = self.encode(frames, codec_key)
        noisy = jax.random.normal(noise_key, lq.shape, jnp.float32)
        return lq, noisy, jnp.asarray(diffusion.inference_sigmas(steps))

    def _check(self, frames: Array) -> None:
        size, multiple = frames.shape[2:4], self.config.multiple
        if size[0] % multiple or size[1] % multiple:
            raise ValueError(
                f"frames are {size[0]}x{size[1]}; height and width must be multiples of "
                f"{multiple}: pad them with daflow_jax.predict.pad"
            )
