"""Names of the DiT4SR release (SD3.5 transformer plus control parameters) to our paths."""

import numpy as np

from daflow_jax.convert import rules
from daflow_jax.convert.engine import Ignored, Initial, Rule, dense, same
from daflow_jax.models.dit4sr.config import DiTConfig
from daflow_jax.models.vae import convert as vae_convert
from daflow_jax.nn import embed

_BLOCK = r"transformer_blocks\.(\d+)\."
_PATH = r"blocks_\1/"


def _dense(pattern: str, path: str) -> list[Rule]:
    return rules.layer(pattern, path, dense)


_PROJECTIONS = r"(to_[qkv]|to_[qkv]_control|to_out_control|add_[qkv]_proj|to_add_out)"

RULES: tuple[Rule, ...] = (
    *rules.layer(r"pos_embed\.proj", "stem"),
    *_dense(r"time_text_embed\.timestep_embedder\.(linear_[12])", r"time_embed/\1"),
    *_dense(r"time_text_embed\.text_embedder\.(linear_[12])", r"pooled_embed/\1"),
    *_dense(r"context_embedder", "context_embed"),
    *_dense(r"norm_out\.linear", "norm_out"),
    *_dense(r"proj_out", "proj_out"),
    *_dense(_BLOCK + r"(norm1|norm1_context)\.linear", _PATH + r"\2"),
    *_dense(_BLOCK + r"(attn2?)\." + _PROJECTIONS, _PATH + r"\2/\3"),
    *_dense(_BLOCK + r"(attn2?)\.to_out\.0", _PATH + r"\2/to_out"),
    (_BLOCK + r"(attn2?)\.(norm_\w+)\.weight", "params/" + _PATH + r"\2/\3/scale", same),
    *_dense(_BLOCK + r"(ff|ff_context)\.net\.0\.proj", _PATH + r"\2/proj_in"),
    *_dense(_BLOCK + r"(ff|ff_context)\.net\.2", _PATH + r"\2/proj_out"),
    *rules.layer(_BLOCK + r"ff\.control_conv", _PATH + "ff/control_conv"),
)


def restorer_rules() -> tuple[Rule, ...]:
    """Returns the rules for a whole restorer, to be applied to one merged state dict.

    It holds the transformer's and the autoencoder's tensors under their published names (they do
    not collide), and the encoding of the empty prompt as `prompt.text` (154, 4096) and
    `prompt.pooled` (2048,).
    """
    parts = (("dit", RULES), ("vae", vae_convert.RULES))
    placed = (
        (pattern, path.replace("params/", f"params/{part}/", 1), layout)
        for part, table in parts
        for pattern, path, layout in table
    )
    return (*placed, (r"prompt\.(text|pooled)", r"params/prompt/\1", same))


def ignored(config: DiTConfig) -> tuple[Ignored, ...]:
    """Returns the published tensors that a network of this configuration never reads."""
    last = rf"transformer_blocks\.{config.depth - 1}\.attn\."
    rows = [
        (r"pos_embed\.pos_embed", "a sin-cos table that is computed; see position_error"),
        (
            r"transformer_blocks\.\d+\.attn2\.(add_|to_add_out|norm_added_).*",
            "the second attention has no text",
        ),
        (last + r"(add_q_proj|norm_added_q)\..*", "the last block drops its text"),
    ]
    if config.lq_key == "hq_twice":
        rows.append((r".*\.to_k_control\..*", "these weights take the lq key from the hq key"))
    return tuple(rows)


def position_error(table: np.ndarray, config: DiTConfig) -> float:
    """Returns the largest difference of a published position table (1, side^2, d) to ours.

    Ours is rounded to the table's dtype first. Above 1e-5 the file was trained with other codes and
    must not be converted.
    """
    side, half = config.position_table, config.width // 2
    line = embed.position_line(half, side, config.position_base).astype(table.dtype)
    line = line.astype(np.float32)
    worst = 0.0
    for y, row in enumerate(table.reshape(side, side, 2 * half)):  # a full table has 0.9 GB
        row = np.asarray(row, np.float32)
        worst = max(
            worst, np.abs(row[:, :half] - line).max(), np.abs(row[:, half:] - line[y]).max()
        )
    return float(worst)


# A DiT4SR starts from SD3.5 with these: control projections and convolution zero, and the control
# output a copy of the plain one (released training code).
FROM_SD35: tuple[Initial, ...] = (
    (r"(params/dit/blocks_\d+/attn2?)/to_out_control/(\w+)", r"\1/to_out/\2"),
    (r"params/dit/blocks_\d+/attn2?/to_[qkv]_control/\w+", None),
    (r"params/dit/blocks_\d+/ff/control_conv/\w+", None),
)
