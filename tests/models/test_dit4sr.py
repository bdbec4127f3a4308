import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.convert import engine
from daflow_jax.losses import rectified_flow
from daflow_jax.models.dit4sr import blocks, convert
from daflow_jax.models.dit4sr.attention import Streams
from daflow_jax.models.dit4sr.config import VARIANTS
from daflow_jax.models.dit4sr.model import DiT
from daflow_jax.models.dit4sr.restorer import Restorer
from daflow_jax.ops import diffusion
from tests.golden import weights
from tests.models import backbone_golden as golden

BOUND = 2e-5
LQ_KEY = {"hq": "hq_twice", "own": "own"}


@pytest.mark.parametrize(
    "seed, key, scale", [(0, "hq", 1.0), (0, "own", 1.2), (1, "hq", 1.2), (1, "own", 1.0)]
)
def test_image_model_equals_published(seed, key, scale):
    arrays = golden.arrays(f"dit4sr_tiny_s{seed}")
    config = golden.dit_config(seed, lq_key=LQ_KEY[key], control_scale=scale)
    out = golden.run_dit(config, seed, golden.dit_inputs(arrays))
    want = golden.nhwc(arrays[f"out.lqkey_{key}.scale_{scale}"])
    golden.close(out.prediction[:, 0], want, BOUND)


@pytest.mark.parametrize("seed, index, key", [(0, 13, "hq"), (0, 23, "own"), (1, 0, "own")])
def test_full_size_block_equals_published(seed, index, key):
    """A plain, the last and a dual block, width 1536; the last one on a grid that is not square."""
    arrays = golden.arrays(f"dit4sr_fullblock_s{seed}")
    config = dataclasses.replace(
        VARIANTS["restorer-base"].dit, lq_key=LQ_KEY[key], attention="plain"
    )
    height, width = arrays["grid"]
    lengths = {"hq": height * width, "lq": height * width, "txt": 6 if seed == 0 else 4}
    hq, lq, text = (
        weights.normal(f"input.full.{k}", (1, n, config.width), seed) for k, n in lengths.items()
    )
    hq, lq = (jnp.asarray(x.reshape(1, 1, height, width, -1)) for x in (hq, lq))
    temb = weights.normal("input.full.temb", (1, config.width), seed)
    inputs = (Streams(hq, lq, jnp.asarray(text)[:, None]), jax.nn.silu(jnp.asarray(temb)))
    module = blocks.Block(config, index)
    out, _ = golden.jit(module.apply)(_block_variables(module, inputs, seed), *inputs)
    for ours, name in zip(out, ("hq", "lq", "txt"), strict=True):
        if ours is not None:
            want = arrays[f"block{index}.lqkey_{key}.{name}"]
            golden.close(ours.reshape(want.shape), want, BOUND)


def _block_variables(module, inputs, seed):
    prefix, path = f"transformer_blocks.{module.index}.", f"params/blocks_{module.index}/"
    names = dict(golden.names("dit4sr_full")["params"])
    dead = [pattern for pattern, _ in convert.dead(module.config)]
    state = weights.state_dict(
        {
            name: shape
            for name, shape in names.items()
            if name.startswith(prefix) and not any(re.fullmatch(d, name) for d in dead)
        },
        seed,
    )
    target = {k.replace("params/", path): v for k, v in golden.shapes(module, *inputs).items()}
    flat = engine.convert(state, convert.RULES, target).parameters
    return engine.unflatten({k.replace(path, "params/"): v for k, v in flat.items()})


FOLDING = {
    "all.fold12": dict(),
    "all.fold1": dict(lift_attn2="frame"),
    "late.fold12": dict(folded_blocks="late"),
    "none": dict(folded_blocks="none"),
}


@pytest.mark.parametrize(
    "seed, key, variant",
    [
        (0, "own", "all.fold12"),
        (0, "hq", "all.fold1"),
        (1, "own", "all.fold12"),
        (1, "hq", "all.fold12"),
        (1, "own", "late.fold12"),
        (1, "hq", "none"),
    ],
)
def test_lifted_model_equals_published(seed, key, variant):
    arrays = golden.arrays(f"dit4sr_lifted_s{seed}")
    frames = int(arrays["frames"])
    config = golden.dit_config(seed, lq_key=LQ_KEY[key], **FOLDING[variant])
    out = golden.run_dit(config, seed, golden.dit_inputs(arrays, frames))
    want = golden.clips(arrays[f"out.{variant}.lqkey_{key}"], frames)
    golden.close(out.prediction, want, BOUND)
    if (key, variant) == ("own", "all.fold12"):
        for block, tap in enumerate(out.taps):
            for ours, name in zip(tap, ("hq_q_raw", "hq_k_raw"), strict=True):
                want = arrays[f"rec.block{block}.attn.{name}"]
                golden.close(ours.reshape(want.shape), want, BOUND)


def test_post_norm_taps_equal_published():
    arrays = golden.arrays("dit4sr_tiny_s1")
    config = golden.dit_config(
        1, lq_key="hq_twice", control_scale=1.2, tap_norm="post_norm", taps=(1,)
    )
    (tap,) = golden.run_dit(config, 1, golden.dit_inputs(arrays), taps_only=True).taps
    for ours, name in zip(tap, ("hq_q", "hq_k"), strict=True):
        want = arrays[f"rec.block1.attn.{name}"]  # (b, heads, n, head_dim)
        want = np.moveaxis(want, 1, 2).reshape(len(want), want.shape[2], -1)
        golden.close(ours[:, 0], want, BOUND)


@pytest.mark.parametrize("seed, mode", [(0, "clip"), (1, "image")])
def test_training_loss_and_gradients_equal_published(seed, mode):
    arrays = golden.arrays(f"dit4sr_train_s{seed}")
    batch = len(arrays["sigma"])
    frames = len(arrays[f"{mode}.x0"]) // batch
    x0, noise, lq = (golden.clips(arrays[f"{mode}.{k}"], frames) for k in ("x0", "noise", "lr"))
    index = diffusion.table_index(jnp.asarray(arrays["logit_normal_draw"]))
    np.testing.assert_array_equal(index, arrays["index"])
    sigma = jnp.asarray(diffusion.training_sigmas())[index]
    noisy = diffusion.add_noise(x0, noise, sigma)
    inputs = (noisy, lq, sigma, jnp.asarray(arrays["txt"]), jnp.asarray(arrays["pooled"]))
    config = golden.dit_config(seed, lq_key="hq_twice" if mode == "image" else "own")
    module, variables = golden.dit(config, seed)

    def loss_fn(variables):
        velocity = module.apply(variables, *inputs).prediction
        return rectified_flow.rectified_flow_loss(velocity, noisy, x0, noise, sigma)

    loss, grads = golden.jit(jax.value_and_grad(loss_fn))(variables)
    assert abs(float(loss) / float(arrays[f"{mode}.loss"]) - 1) <= 1e-6
    _check_gradients(engine.flatten(jax.tree.map(np.asarray, grads)), arrays, mode)


def _check_gradients(grads, arrays, mode):
    norms = dict(zip(arrays["grad_names"].tolist(), arrays[f"{mode}.grad_norm"], strict=True))
    largest, seen = max(norms.values()), 0
    for name, want in norms.items():
        path, layout = _rule(name)
        if path not in grads:  # dead in the published network too
            assert name in arrays[f"{mode}.unused"] or name in arrays[f"{mode}.zero_grad"]
        elif want > 1e-6 * largest:
            assert abs(np.linalg.norm(grads[path]) / want - 1) <= 5e-5, name
            seen += 1
    assert seen > len(grads) * 0.9
    for key in (k for k in arrays if k.startswith(f"{mode}.grad.")):
        path, layout = _rule(key.removeprefix(f"{mode}.grad."))
        golden.close(grads[path], layout(arrays[key]), 5e-5)


def _rule(name):
    for pattern, path, layout in convert.RULES:
        if match := re.fullmatch(pattern, name):
            return match.expand(path), layout
    raise KeyError(name)


def _random_inputs(config, batch=1, frames=3, grid=(3, 4), tokens=5):
    keys = jax.random.split(jax.random.key(0), 5)
    shape = (batch, frames, *(n * config.patch_size for n in grid), config.channels)
    return (
        jax.random.normal(keys[0], shape),
        jax.random.normal(keys[1], shape),
        jax.random.uniform(keys[2], (batch,), minval=0.1),
        jax.random.normal(keys[3], (batch, tokens, config.text_width)),
        jax.random.normal(keys[4], (batch, config.pooled_width)),
    )


def test_permuted_frames_permute_prediction_and_taps():
    config = golden.dit_config(1, taps=(0, 2))
    inputs = _random_inputs(config)
    order = jnp.array([2, 0, 1])
    module, variables = golden.dit(config, 1)
    apply = golden.jit(module.apply)
    out = apply(variables, *inputs)
    permuted = apply(variables, *(x[:, order] for x in inputs[:2]), *inputs[2:])
    for a, b in zip(jax.tree.leaves(out), jax.tree.leaves(permuted), strict=True):
        np.testing.assert_allclose(a[:, order], b, atol=2e-5 * np.abs(b).max())
    assert np.abs(out.prediction[:, order] - out.prediction).max() > 0.1


def test_one_text_copy_equals_a_copy_per_frame(monkeypatch):
    config = golden.dit_config(1)
    inputs = _random_inputs(config, batch=2)
    module, variables = golden.dit(config, 1)
    out = golden.jit(module.apply)(variables, *inputs)
    monkeypatch.setattr(type(config), "one_text", False)
    copies = golden.jit(lambda *args: module.apply(*args))(variables, *inputs)
    for a, b in zip(jax.tree.leaves(out), jax.tree.leaves(copies), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5 * np.abs(b).max())


@pytest.mark.parametrize("kind", ["query_key", "key_key", "hidden"])
def test_early_exit_gives_the_taps_of_the_full_run(kind):
    config = golden.dit_config(1, taps=(0, 1), tap_kind=kind, remat=kind == "hidden")
    inputs = _random_inputs(config)
    module, variables = golden.dit(config, 1)
    full, early = golden.jit(
        lambda *args: (module.apply(*args), module.apply(*args, taps_only=True))
    )(variables, *inputs)
    assert early.prediction is None and len(early.taps) == 2
    for a, b in zip(jax.tree.leaves(full.taps), jax.tree.leaves(early.taps), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())
    query, key = full.taps[1]
    assert (np.abs(query - key).max() > 0.1) == (kind == "query_key")


def test_hq_twice_has_no_lq_key_projection():
    config = golden.dit_config(0, lq_key="hq_twice")
    target = golden.shapes(DiT(config), *_random_inputs(config))
    assert not [path for path in target if "to_k_control" in path]


def test_base_has_the_published_size_and_takes_published_files():
    config = VARIANTS["restorer-base"]
    frames = jnp.zeros((1, 1, 16, 16, 3))
    target = golden.shapes(Restorer(config), frames, jax.random.key(0), method="features")
    width = config.dit.width
    linear, scale = width * width + width, config.dit.head_dim
    # published, less what nothing reads: text parts of the second attention (four projections and
    # two norms in 13 blocks), and the text query of the last block
    dead = 13 * (4 * linear + 2 * scale) + linear + scale
    sizes = {path: np.prod(shape) for path, shape in target.items()}
    assert sum(n for path, n in sizes.items() if "/dit/" in path) == 2_716_814_144 - dead
    state = {"prompt.text": _empty((154, 4096)), "prompt.pooled": _empty((2048,))}
    for name in ("dit4sr_full", "sd3_vae_full"):
        state |= {k: _empty(v) for k, v in dict(golden.names(name)["params"]).items()}
    converted = engine.convert(state, convert.restorer_rules(), target, convert.dead(config.dit))
    assert len(converted.dead) == 13 * 10 + 3 + 1


def _empty(shape):
    return np.broadcast_to(np.float32(0), shape)


def test_bfloat16_stays_near_float32():
    config = golden.dit_config(1, attention="blockwise")
    inputs = _random_inputs(config)
    _, variables = golden.dit(config, 1)
    exact, coarse = golden.jit(
        lambda *args: tuple(
            DiT(config, dtype=dtype).apply(*args).prediction for dtype in (None, jnp.bfloat16)
        )
    )(variables, *inputs)
    assert coarse.dtype == jnp.bfloat16
    golden.close(coarse.astype(jnp.float32), exact, 4e-2)


def test_scratch_network_starts_with_equal_query_and_key():
    config = dataclasses.replace(VARIANTS["restorer-nano"].dit, depth=2, patch_size=2, taps=(0, 1))
    inputs = _random_inputs(config)
    module = DiT(config)
    variables = golden.jit(module.init)(jax.random.key(0), *inputs)
    params = variables["params"]["blocks_0"]["attn"]
    np.testing.assert_array_equal(params["to_q"]["kernel"], params["to_k"]["kernel"])
    other = variables["params"]["blocks_1"]["attn"]
    assert np.abs(params["to_q"]["kernel"] - other["to_q"]["kernel"]).max() > 0.01
    out = golden.jit(module.apply)(variables, *inputs)
    np.testing.assert_allclose(out.taps[1].query, out.taps[1].key, atol=1e-6)


def test_position_table_of_a_checkpoint_is_checked():
    arrays, config = golden.arrays("dit4sr_tiny_s1"), golden.dit_config(1)
    assert convert.position_error(arrays["pos_embed"], config) < 1e-6
    assert convert.position_error(arrays["pos_embed"][:, ::-1], config) > 0.1


def test_wrong_sizes_and_taps_are_refused():
    config = golden.dit_config(1)
    noisy, *rest = _random_inputs(config)
    odd = noisy[:, :, :, :-1]
    with pytest.raises(ValueError, match="latents are 6x7; height and width must be multiples"):
        jax.eval_shape(DiT(config).init, jax.random.key(0), odd, odd, *rest[1:])
    with pytest.raises(ValueError, match=r"taps are \(9,\); give .* indices from 0 to 2"):
        dataclasses.replace(config, taps=(9,))
