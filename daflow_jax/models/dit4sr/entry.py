"""The restorer around DiT4SR's transformer in the registry."""

import dataclasses

from daflow_jax.models.dit4sr import trainable
from daflow_jax.models.dit4sr.config import VARIANTS, RestorerConfig
from daflow_jax.models.entry import KEY, CallOption, Entry, Example, MeshLimit, Storage

PRODUCTS = r"dit/blocks_\d+(_\d+)?/(attn2?|ff|ff_context)/.*"
STEPS = CallOption("steps", "denoising steps (1)")
GUIDANCE = CallOption(
    "guidance", "how far the result leads away from --negative (1: off)", 1, float
)
PROMPT = CallOption(
    "prompt", "encoded prompt that guidance leads to", type=tuple, files=("TEXT", "POOLED")
)
NEGATIVE = PROMPT._replace(
    name="negative", help="encoded prompt that guidance leads away from (the empty one)"
)


def example(config: RestorerConfig) -> Example:
    """Returns the tap of the first step of a clip of eight tokens a side."""
    import jax

    side = 8 * config.multiple
    frames = jax.ShapeDtypeStruct((1, 2, side, side, 3), "float32")
    return Example((frames, KEY), method="features")


def stored(config: RestorerConfig) -> RestorerConfig:
    """Returns the configuration with single blocks in place of loops."""
    return dataclasses.replace(config, dit=dataclasses.replace(config.dit, scan=False))


def mesh_limits(config: RestorerConfig, height: int) -> dict[str, MeshLimit]:
    """Returns what attention splits: heads over "tensor", rows of tokens over "seq"."""
    return {
        "tensor": MeshLimit("attention heads", config.dit.heads),
        "seq": MeshLimit("rows of tokens", height // config.multiple),
    }


def attention_lengths(
    config: RestorerConfig, frames: int, height: int, width: int
) -> frozenset[int]:
    """Returns the numbers of tokens that attend to each other in the blocks, with and without the
    text of one frame or of all.
    """
    dit, tokens = config.dit, (height // config.multiple) * (width // config.multiple)
    streams = 1 if dit.lq_key == "none" else 2
    joined = {streams * tokens * (frames if dit.folds(i) else 1) for i in range(dit.depth)}
    with_text = {n + copies * config.prompt_tokens for n in joined for copies in (1, frames)}
    return frozenset(joined | with_text)


RESTORER = Entry(
    family="restorer",
    kind="restoration",
    config=RestorerConfig,
    module="daflow_jax.models.dit4sr.restorer:Restorer",
    presets=VARIANTS,
    example=example,
    call_options=(STEPS, GUIDANCE, PROMPT, NEGATIVE),
    call="daflow_jax.models.dit4sr.restoration:restore",
    check_call="daflow_jax.models.dit4sr.restoration:check",
    trainable=trainable.sets,
    storage=Storage(
        stored, "daflow_jax.models.dit4sr.loops:unrolled", "daflow_jax.models.dit4sr.loops:restored"
    ),
    mesh_limits=mesh_limits,
    attention_lengths=attention_lengths,
    products=(PRODUCTS,),
    slim="daflow_jax.models.dit4sr.slim:SLIM",
    taps="daflow_jax.models.dit4sr.taps:TAPS",
    checkpoints="daflow_jax.models.dit4sr.checkpoints:ARCHITECTURES",
)
