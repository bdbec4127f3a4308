"""Sizes and published variants of the restoration backbone."""

import dataclasses
import itertools
from typing import Literal

from daflow_jax import ranges
from daflow_jax.models.vae.config import VAEConfig

WIDTH = (1, 65536)  # channels
MOST_BLOCKS = 64  # [choice] tracing them takes ten seconds; published networks have 24 to 57


@dataclasses.dataclass(frozen=True)
class DiTConfig:
    """The diffusion transformer with a high-quality (hq), a low-quality (lq) and a text stream.

    Attributes:
        dual_blocks: the first blocks, which own a second attention without text.
        channels, patch_size: of the latents (or pixels) that it reads and writes.
        stem: "patch" (published) or "conv", overlapping convolutions for training from scratch.
        text_width, pooled_width: of the prompt embeddings.
        position_table, position_base: the table's side, and the side that the codes were made for.
        lq_key: "own"; "hq_twice", where the lq key is the hq key normed twice, as the weights
            `dit4sr_f` and `dit4sr_q` expect, and `to_k_control` does not exist; or "none", where
            the whole lq stream does not exist, which leaves SD3.5's own transformer.
        control_scale: factor on the cross-stream convolution; released inference code has 1.2.
        folded_blocks: blocks whose attention joins the frames: "all", "late" (second half),
            "none", or block indices.
        lift_attn2: whether folded blocks fold the second attention too, or keep it per "frame".
        prediction: what the output head stands for, "velocity" (published) or clean content "x0".
        init: "published" (what DiT4SR starts from) or "scratch" (trains without weights of others:
            to_k starts equal to to_q, control projections as identity, gates open).
        attention: see `daflow_jax.nn.attention`.
        taps: blocks, 0-based and ascending, whose features the flow network reads.
        tap_kind: "query_key" (DA-Flow, eq. 11), "key_key", or "hidden" (the attention's input).
        tap_norm: "raw" projections or "post_norm" (after the norm per head).
        remat: what the backward pass computes anew instead of keeping it: "none", "full" (all
            inside of a block), "attention" (all but what splash and blockwise attention return,
            so that only the cheaper half is computed twice), or "dots" (all but the results of
            linear layers).
        scan: neighbouring blocks that are equal run as one loop over stacked parameters, which
            compiles faster; see `daflow_jax.models.dit4sr.loops`.
        form: "full", or "first_step": what the taps of the first denoising step need and nothing
            else, with constants in place of the modulations; see `daflow_jax.models.dit4sr.slim`.
    """

    depth: int = 24
    heads: int = 24
    head_dim: int = 64
    mlp_ratio: int = 4
    dual_blocks: int = 13
    channels: int = 16
    patch_size: int = 2
    stem: Literal["patch", "conv"] = "patch"
    text_width: int = 4096
    pooled_width: int = 2048
    position_table: int = 384
    position_base: int = 64
    lq_key: Literal["own", "hq_twice", "none"] = "own"
    control_scale: float = 1.0
    folded_blocks: str | tuple[int, ...] = "all"
    lift_attn2: Literal["fold", "frame"] = "fold"
    prediction: Literal["velocity", "x0"] = "velocity"
    init: Literal["published", "scratch"] = "published"
    attention: Literal["auto", "plain", "blockwise", "cudnn", "splash"] = "auto"
    taps: tuple[int, ...] = (3, 13, 16, 17)  # DA-Flow, sec. 5.4
    tap_kind: Literal["query_key", "key_key", "hidden"] = "query_key"
    tap_norm: Literal["raw", "post_norm"] = "raw"
    remat: Literal["none", "full", "attention", "dots"] = "none"
    scan: bool = False
    form: Literal["full", "first_step"] = "full"

    def __post_init__(self):
        counts = dict(
            depth=(1, MOST_BLOCKS), heads=(1, 1024), mlp_ratio=(1, 64), dual_blocks=(0, MOST_BLOCKS)
        )
        widths = dict(head_dim=(1, 4096), channels=(1, 4096), text_width=WIDTH, pooled_width=WIDTH)
        places = dict(patch_size=(1, 256), position_table=(1, 4096), position_base=(1, 4096))
        ranges.check(self, **counts, **widths, **places, control_scale=(-1000, 1000))
        if self.width > WIDTH[1]:
            raise ValueError(f"heads x head_dim is {self.width}; use at most {WIDTH[1]} channels")
        inside = all(0 <= i < self.depth for i in self.taps)
        if not self.taps or not inside or list(self.taps) != sorted(set(self.taps)):
            raise ValueError(
                f"taps are {self.taps}; give ascending block indices from 0 to {self.depth - 1}"
            )
        if isinstance(self.folded_blocks, str) and self.folded_blocks not in _FOLDS:
            raise ValueError(
                f"folded_blocks is {self.folded_blocks!r}; use all, late, none or block indices"
            )

    @property
    def width(self) -> int:
        return self.heads * self.head_dim

    @property
    def blocks(self) -> int:
        """The number of blocks that exist; the last of the form "first_step" is a tap alone."""
        return self.depth if self.form == "full" else self.taps[-1] + 1

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """The (first, last) of every run of blocks that is one module: single blocks, or with
        `scan` neighbours that are equal and not tapped."""

        def kind(i):
            alone = not self.scan or i in self.taps or i == self.depth - 1
            return i if alone else (i < self.dual_blocks, self.folds(i))

        groups = itertools.groupby(range(self.blocks), kind)
        members = [tuple(group) for _, group in groups]
        return tuple((group[0], group[-1]) for group in members)

    def folds(self, block: int) -> bool:
        """Returns whether the frames of a clip attend to each other in `block`."""
        if isinstance(self.folded_blocks, str):
            return block >= _FOLDS[self.folded_blocks](self.depth)
        return block in self.folded_blocks

    @property
    def one_text(self) -> bool:
        """Whether one copy of the text can stand for the copies of all frames: they stay equal
        only if every block shows them the same keys."""
        return all(self.folds(i) for i in range(self.depth))


_FOLDS = {"all": lambda depth: 0, "late": lambda depth: depth // 2, "none": lambda depth: depth}

# Stable Diffusion 3.5 medium's transformer (2,243,171,520 published parameters): DiT4SR's start
SD35_MEDIUM = DiTConfig(lq_key="none")


@dataclasses.dataclass(frozen=True)
class RestorerConfig:
    """A restorer of clips: codec, prompt and diffusion transformer.

    Attributes:
        codec: "pixels" (latents are pixels in [-1, 1]) or "vae".
        vae: sizes of the autoencoder; read by the codec "vae" only.
        prompt_tokens: length of the prompt.
        frames: length of the clips that it was, or is to be, trained on.
    """

    dit: DiTConfig = DiTConfig()
    codec: Literal["pixels", "vae"] = "vae"
    vae: VAEConfig = VAEConfig()
    prompt_tokens: int = 154  # 77 CLIP + 77 T5
    frames: int = 3

    scale = 1

    def __post_init__(self):
        ranges.check(self, prompt_tokens=(0, 4096), frames=(1, 4096))
        if self.dit.lq_key == "none":
            raise ValueError(
                "lq_key is 'none'; a restorer reads its lq stream: use own or hq_twice"
            )

    @property
    def multiple(self) -> int:
        """Height and width of frames must be multiples of this: pixels per token."""
        return self.dit.patch_size * (self.vae.reduction if self.codec == "vae" else 1)

    @property
    def minimum(self) -> int:
        """Smallest height and width of frames: one token."""
        return self.multiple

    @property
    def maximum(self) -> int:
        """Largest height and width of frames: the side of the position table."""
        return self.dit.position_table * self.multiple


def _from_scratch(**sizes) -> RestorerConfig:
    """Returns a restorer of pixels for training without weights of others: clean content is
    predicted, as small networks lose what matches when they predict differences."""
    dit = DiTConfig(
        dual_blocks=0,
        channels=3,
        patch_size=16,
        stem="conv",
        prediction="x0",
        init="scratch",
        **sizes,
    )
    return RestorerConfig(dit, codec="pixels", prompt_tokens=4)


VARIANTS = {
    "restorer-nano": _from_scratch(
        depth=6, heads=4, head_dim=32, text_width=64, pooled_width=64, taps=(1, 2, 3, 4)
    ),  # [choice] a few million parameters, runs on a CPU
    "restorer-small": _from_scratch(
        depth=12, heads=6, head_dim=64, text_width=128, pooled_width=128, taps=(2, 5, 7, 9)
    ),  # [choice]
    "restorer-base": RestorerConfig(),  # SD3.5-medium, DiT4SR
}
