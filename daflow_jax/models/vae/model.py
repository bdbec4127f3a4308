"""Encoder and decoder of the SD3 autoencoder (Esser et al. 2024; AutoencoderKL, 16 channels)."""

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.vae.config import VAEConfig
from daflow_jax.nn import attention, conv


class Moments(NamedTuple):
    """The Gaussian over latents before scaling, (p, h/8, w/8, c); logvar lies in [-30, 20]."""

    mean: Array
    logvar: Array

    @property
    def std(self) -> Array:
        """The standard deviation."""
        return jnp.exp(0.5 * self.logvar)

    def sample(self, rng: jax.Array) -> Array:
        """Returns one draw."""
        return self.mean + self.std * jax.random.normal(rng, self.mean.shape, self.mean.dtype)


class _Layers(nn.Module):
    """The fields and layer kinds that all parts share."""

    config: VAEConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @property
    def kinds(self) -> dict[str, Any]:
        return dict(dtype=self.dtype, param_dtype=self.param_dtype)

    def conv(self, width: int, name: str, **fields) -> nn.Conv:
        return conv.LinenConv(width, (3, 3), name=name, **({"padding": 1} | fields), **self.kinds)

    def norm(self, name: str) -> nn.GroupNorm:
        return nn.GroupNorm(
            self.config.groups, epsilon=1e-6, use_fast_variance=False, name=name, **self.kinds
        )


class Residual(_Layers):
    """Norm, SiLU, convolution, twice, beside a shortcut."""

    width: int = 0

    @nn.compact
    def __call__(self, x: Float[Array, "p h w i"]) -> Float[Array, "p h w o"]:
        y = self.conv(self.width, "conv1")(nn.silu(self.norm("norm1")(x)))
        y = self.conv(self.width, "conv2")(nn.silu(self.norm("norm2")(y)))
        if x.shape[-1] != self.width:
            x = nn.Dense(self.width, name="shortcut", **self.kinds)(x)
        return x + y


class PixelAttention(_Layers):
    """Attention with one head over all positions of a map."""

    @nn.compact
    def __call__(self, x: Float[Array, "p h w c"]) -> Float[Array, "p h w c"]:
        dense = functools.partial(nn.Dense, x.shape[-1], **self.kinds)
        y = self.norm("norm")(x).reshape(x.shape[0], 1, -1, 1, x.shape[-1])
        # never all logits at once: a full-HD frame has 32,640 positions
        (y,) = attention.joint([attention.Part(*(dense(name=f"to_{k}")(y) for k in "qkv"))])
        return x + dense(name="to_out")(y).reshape(x.shape)


class Middle(_Layers):
    """Residual, attention, residual at the lowest resolution."""

    @nn.compact
    def __call__(self, x: Float[Array, "p h w c"]) -> Float[Array, "p h w c"]:
        residual = functools.partial(Residual, self.config, **self.kinds, width=x.shape[-1])
        x = residual(name="resnet_0")(x)
        x = PixelAttention(self.config, **self.kinds, name="attention")(x)
        return residual(name="resnet_1")(x)


class Encoder(_Layers):
    """Image to mean and log-variance, stacked on channels."""

    @nn.compact
    def __call__(self, x: Float[Array, "p h w 3"]) -> Float[Array, "p gh gw c"]:
        c = self.config
        x = self.conv(c.widths[0], "conv_in")(x)
        for i, width in enumerate(c.widths):
            for k in range(c.blocks):
                x = Residual(c, **self.kinds, width=width, name=f"down_{i}_resnet_{k}")(x)
            if i + 1 < len(c.widths):  # padded at the right and bottom only, as published
                pads = ((0, 1), (0, 1))
                x = self.conv(width, f"down_{i}_downsample", strides=2, padding=pads)(x)
        x = Middle(c, **self.kinds, name="mid")(x)
        return self.conv(2 * c.channels, "conv_out")(nn.silu(self.norm("norm_out")(x)))


class Decoder(_Layers):
    """Latents, unscaled, to image; not clamped."""

    @nn.compact
    def __call__(self, x: Float[Array, "p gh gw c"]) -> Float[Array, "p h w 3"]:
        c = self.config
        x = self.conv(c.widths[-1], "conv_in")(x)
        x = Middle(c, **self.kinds, name="mid")(x)
        for i, width in enumerate(reversed(c.widths)):
            for k in range(c.blocks + 1):
                x = Residual(c, **self.kinds, width=width, name=f"up_{i}_resnet_{k}")(x)
            if i + 1 < len(c.widths):
                x = jnp.repeat(jnp.repeat(x, 2, 1), 2, 2)
                x = self.conv(width, f"up_{i}_upsample")(x)
        return self.conv(3, "conv_out")(nn.silu(self.norm("norm_out")(x)))


class VAE(nn.Module):
    """The autoencoder; images in [-1, 1], height and width multiples of `config.reduction`."""

    config: VAEConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        self.encoder = Encoder(self.config, self.dtype, self.param_dtype)
        self.decoder = Decoder(self.config, self.dtype, self.param_dtype)

    def moments(self, images: Float[Array, "p h w 3"]) -> Moments:
        """Returns the Gaussian over unscaled latents."""
        mean, logvar = jnp.split(self.encoder(images), 2, -1)
        return Moments(mean, jnp.clip(logvar, -30.0, 20.0))

    def encode(
        self, images: Float[Array, "p h w 3"], rng: jax.Array | None = None
    ) -> Float[Array, "p gh gw c"]:
        """Returns scaled latents: a draw as published, or the mean without `rng`."""
        moments = self.moments(images)
        return self.scaled(moments.mean if rng is None else moments.sample(rng))

    def scaled(self, latents: Float[Array, "p gh gw c"]) -> Float[Array, "p gh gw c"]:
        """Returns latents as the diffusion sees them; `decode` undoes it."""
        return (latents - self.config.shift) * self.config.scale

    def decode(self, latents: Float[Array, "p gh gw c"]) -> Float[Array, "p h w 3"]:
        """Returns images, about [-1, 1], from scaled latents."""
        return self.decoder(latents / self.config.scale + self.config.shift)

    def __call__(self, images: Float[Array, "p h w 3"]) -> Float[Array, "p h w 3"]:
        """Returns the reconstruction through the mean."""
        return self.decode(self.encode(images))
