import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.convert import engine
from daflow_jax.models.dit4sr import convert
from daflow_jax.models.dit4sr.config import SD35_MEDIUM, VARIANTS, RestorerConfig
from daflow_jax.models.dit4sr.model import DiT
from daflow_jax.models.dit4sr.restorer import Restorer
from tests.models import backbone_golden as golden


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


@pytest.mark.slow
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
    remat = "full" if kind == "hidden" else "none"
    config = golden.dit_config(1, taps=(0, 1), tap_kind=kind, remat=remat)
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


@pytest.mark.slow
def test_base_has_the_published_size_and_takes_published_files():
    config = VARIANTS["restorer-base"]
    frames = jnp.zeros((1, 1, 16, 16, 3))
    target = golden.shapes(Restorer(config), frames, jax.random.key(0), method="features")
    width = config.dit.width
    linear, scale = width * width + width, config.dit.head_dim
    # published, less what nothing reads: text parts of the second attention (four projections and
    # two norms in 13 blocks), and the text query of the last block
    ignored = 13 * (4 * linear + 2 * scale) + linear + scale
    sizes = {path: np.prod(shape) for path, shape in target.items()}
    assert sum(n for path, n in sizes.items() if "/dit/" in path) == 2_716_814_144 - ignored
    state = {"prompt.text": _empty((154, 4096)), "prompt.pooled": _empty((2048,))}
    for name in ("dit4sr_full", "sd3_vae_full"):
        state |= {k: _empty(v) for k, v in dict(golden.names(name)["params"]).items()}
    converted = engine.convert(state, convert.restorer_rules(), target, convert.ignored(config.dit))
    assert len(converted.ignored) == 13 * 10 + 3 + 1


@pytest.mark.slow
def test_sd35_medium_has_the_published_size_and_takes_its_file():
    latents = jnp.zeros((1, 1, 16, 16, 16))
    prompt = jnp.zeros((1, 154, 4096)), jnp.zeros((1, 2048))
    target = golden.shapes(DiT(SD35_MEDIUM), latents, None, jnp.zeros(1), *prompt)
    width, head = SD35_MEDIUM.width, SD35_MEDIUM.head_dim
    ignored = width * width + width + head  # the last block's text query
    assert sum(np.prod(shape) for shape in target.values()) == 2_243_171_520 - ignored
    state = {k: _empty(v) for k, v in dict(golden.names("sd35_medium_full")["params"]).items()}
    converted = engine.convert(state, convert.RULES, target, convert.ignored(SD35_MEDIUM))
    assert len(converted.ignored) == 1 + 3
    lq = set(golden.shapes(DiT(dataclasses.replace(SD35_MEDIUM, lq_key="own")), latents, latents,
                           jnp.zeros(1), *prompt)) - set(target)  # fmt: skip
    assert lq and all("control" in path for path in lq)


def _empty(shape):
    return np.broadcast_to(np.float32(0), shape)


@pytest.mark.slow
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
    with pytest.raises(ValueError, match="lq is missing and lq_key is 'own'; the lq stream"):
        jax.eval_shape(DiT(config).init, jax.random.key(0), noisy, None, *rest[1:])
    with pytest.raises(ValueError, match="lq_key is 'none'; a restorer reads its lq stream"):
        RestorerConfig(SD35_MEDIUM)
