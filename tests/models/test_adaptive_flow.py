"""A network whose weights change with the frames: shares, batches, factors, what is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, models, pretrained
from daflow_jax.models import calls, taps
from daflow_jax.models.adaptive_flow import change, gate
from daflow_jax.models.adaptive_flow.config import AdaptiveFlowConfig
from daflow_jax.models.raft.config import RAFTConfig
from daflow_jax.sharding import mesh as meshes
from studies import adaptive

TINY = RAFTConfig(
    small=True, widths=(8, 8, 8, 8), features=16, hidden=8, context=8, levels=2, radius=1
)
CONFIG = AdaptiveFlowConfig(TINY, rank=2, widths=(4, 4))
OPTIONS = dict(iters=2, all_iterations=True)


@pytest.fixture(scope="module")
def network():
    module, flow, key = models.build(CONFIG), _drawn(0), jax.random.key(0)
    params = {
        "flow": flow,
        "change": change.Change(CONFIG.rank).init(key, flow)["params"],
        "gate": gate.Gate(CONFIG.widths).init(key, jnp.zeros((1, 2, 32, 32, 3)))["params"],
    }
    shapes = jax.tree.map(jnp.shape, calls.abstract_variables(CONFIG)["params"])
    assert jax.tree.map(jnp.shape, params) == shapes
    frames = jax.random.uniform(jax.random.key(1), (3, 2, 128, 128, 3))
    plain = models.build(TINY)
    other = _drawn(5)
    return module, params, frames, plain, other


def _drawn(seed):
    """Returns parameters of the inner network."""
    rng = np.random.default_rng(seed)
    shapes = calls.abstract_variables(TINY)["params"]
    return jax.tree.map(
        lambda x: jnp.float32(0.5 / np.sqrt(x.size / x.shape[-1]) * rng.standard_normal(x.shape)),
        shapes,
    )


def _flow(module, params, frames):
    return jax.jit(lambda p, x: module.apply({"params": p}, x, **OPTIONS))(params, frames)


def _with_share(params, logit):
    """Returns parameters with a gate that says `logit` of every clip."""
    constant = jax.tree.map(jnp.zeros_like, params["gate"])
    constant["logit"]["bias"] = jnp.full((1,), float(logit))
    return {**params, "gate": constant}


def _between(before, after, rank):
    return jax.tree.map(jnp.asarray, change.between(before, after, rank))


def test_a_new_network_is_the_inner_one_to_the_bit(network):
    module, params, frames, plain, _ = network
    out, inner = _flow(module, params, frames[:1]), _flow(plain, params["flow"], frames[:1])
    assert float(jnp.abs(inner.flows).max()) > 0.01
    np.testing.assert_array_equal(out.flows, inner.flows)
    np.testing.assert_array_equal(out.low, inner.low)


@pytest.mark.parametrize(("logit", "share"), [(-40, 0.0), (40, 1.0), (0, 0.5)])
def test_the_flow_is_that_of_weights_between_two_networks(network, logit, share):
    _, params, frames, plain, other = network
    module = models.build(dataclasses.replace(CONFIG, rank=4096))  # nothing is smaller than factors
    params = {**params, "change": _between(params["flow"], other, 4096)}
    out = _flow(module, _with_share(params, logit), frames[:1])
    weights = jax.tree.map(lambda a, b: (1 - share) * a + share * b, params["flow"], other)
    inner = _flow(plain, weights, frames[:1])
    np.testing.assert_allclose(out.flows, inner.flows, atol=2e-5)
    np.testing.assert_allclose(out.low, inner.low, atol=2e-5)


@pytest.mark.parametrize(("logit", "share"), [(-200, 0.0), (0, 0.5)])
def test_a_plain_network_can_be_taken_out(network, logit, share):
    module, params, frames, plain, other = network
    params = {**params, "change": _between(params["flow"], other, CONFIG.rank)}
    loaded = pretrained.LoadedModel(CONFIG, {"params": params}, {"name": "it"})
    config, variables = adaptive.plain(loaded, share)
    assert config == TINY
    out = _flow(module, _with_share(params, logit), frames[:1])
    taken = _flow(plain, variables["params"], frames[:1])
    np.testing.assert_allclose(taken.flows, out.flows, atol=2e-5)
    with pytest.raises(errors.UserError, match="it: holds no adaptive flow network"):
        adaptive.plain(pretrained.LoadedModel(TINY, variables, {"name": "it"}), share)


def test_factors_are_the_nearest_of_their_rank(network):
    _, params, _, _, other = network
    given = _between(params["flow"], other, CONFIG.rank)
    assert jax.tree.map(jnp.shape, given) == jax.tree.map(jnp.shape, params["change"])
    found = change.Change(CONFIG.rank).apply({"params": given}, params["flow"])

    def kernel(tree):
        return np.asarray(tree["fnet"]["conv1"]["kernel"]).reshape(-1, 8)

    exact = kernel(other) - kernel(params["flow"])
    values = np.linalg.svd(exact, compute_uv=False)
    np.testing.assert_allclose(
        np.linalg.norm(kernel(found) - exact),
        np.linalg.norm(values[CONFIG.rank :]),
        rtol=1e-4,
    )


def test_the_flow_of_a_pair_does_not_depend_on_its_company(network):
    module, params, frames, _, other = network
    variables = {"params": {**params, "change": _between(params["flow"], other, CONFIG.rank)}}
    clip = jnp.concatenate([frames[0], 0.1 * frames[1]])[None]  # dark frames follow
    apply = jax.jit(lambda frames, start: module.apply(variables, frames, init_flow=start, iters=2))
    start = 0.1 * jax.random.normal(jax.random.key(3), (1, 3, 16, 16, 2))
    together = apply(clip, start)
    assert together.flows.shape == (1, 1, 3, 128, 128, 2)
    shares = jax.nn.sigmoid(
        jnp.array(
            [module.apply(variables, clip[:, k : k + 2], method="degradation")[0] for k in range(3)]
        )
    )
    assert np.ptp(shares) > 1e-4
    for k in range(3):
        alone = apply(clip[:, k : k + 2], start[:, k : k + 1])
        np.testing.assert_allclose(together.flows[:, :, k], alone.flows[:, :, 0], atol=1e-5)
        np.testing.assert_allclose(together.low[:, k], alone.low[:, 0], atol=1e-5)


def test_every_clip_of_a_batch_has_a_share_of_its_own(network):
    module, params, frames, _, other = network
    params = {**params, "change": _between(params["flow"], other, CONFIG.rank)}
    frames = frames.at[1].multiply(0.1)
    start = 0.1 * jax.random.normal(jax.random.key(2), (3, 1, 16, 16, 2))
    variables = {"params": params}
    apply = jax.jit(lambda clips, start: module.apply(variables, clips, init_flow=start, **OPTIONS))
    logits = module.apply(variables, frames, method="degradation")
    assert len(set(np.round(np.asarray(logits), 4))) == 3
    together = apply(frames, start)
    assert together.flows.shape == (2, 3, 1, 128, 128, 2)
    for number in range(3):
        here = slice(number, number + 1)
        alone = apply(frames[here], start[here])
        np.testing.assert_allclose(together.flows[:, here], alone.flows, atol=1e-5)
        np.testing.assert_allclose(together.low[here], alone.low, atol=1e-5)


@pytest.fixture(scope="module")
def spread(network):
    """Returns the flow of a batch, its parameters, its clips on four devices, and their mesh."""
    module, params, frames, _, other = network
    params = {**params, "change": _between(params["flow"], other, CONFIG.rank)}
    frames = jnp.concatenate([frames[:2], 0.3 * frames[:2]])
    mesh = meshes.make_mesh({"data": 2, "fsdp": 2}, jax.devices()[:4])
    placed = jax.device_put(frames, jax.NamedSharding(mesh, jax.P(("data", "fsdp"))))
    run = jax.jit(lambda params, x: module.apply({"params": params}, x, iters=1).flows)
    return run, params, placed, mesh


def test_each_device_takes_its_clips_and_finds_the_same_flow(spread):
    run, params, frames, mesh = spread
    with jax.set_mesh(mesh):
        program = run.lower(params, frames).compile()
    assert "all-gather" not in program.as_text()  # nobody computes the clips of others
    flows = program(params, frames)
    assert flows.sharding.spec[1] == ("data", "fsdp")
    for number, clip in enumerate(np.asarray(frames)):
        alone = run(params, clip[None])[:, 0]
        np.testing.assert_allclose(flows[:, number], alone, atol=1e-5)


@pytest.mark.slow
def test_the_gradient_over_devices_is_that_of_all_clips(spread):
    run, params, frames, mesh = spread
    slope = jax.jit(jax.grad(lambda params, x: (run(params, x) ** 2).mean()))
    with jax.set_mesh(mesh):
        together = slope(params, frames)["change"]["fnet.conv1.kernel.up"]
    each = [slope(params, x[None])["change"]["fnet.conv1.kernel.up"] for x in np.asarray(frames)]
    np.testing.assert_allclose(together, sum(each) / 4, rtol=1e-3, atol=1e-7)
    assert np.abs(together).max() > 1e-5


def test_weights_of_16_bits_are_moved_in_32(network):
    _, params, frames, _, other = network
    params = {**params, "change": _between(params["flow"], other, CONFIG.rank)}
    half = jax.tree.map(lambda x: x.astype(jnp.float16), _with_share(params, -4))
    module, whole = models.build(CONFIG), jax.tree.map(jnp.float32, half)
    ours, wanted = (
        module.apply({"params": p}, frames[:1], method="adapted")["params"] for p in (half, whole)
    )
    jax.tree.map(np.testing.assert_array_equal, ours, wanted)


def test_it_lends_the_features_of_the_weights_in_use(network):
    module, params, frames, plain, other = network
    params = {**params, "change": _between(params["flow"], other, CONFIG.rank)}
    source, names = taps.chosen(CONFIG, ["fnet"])
    clip, blocks = frames[0], tuple(block for block, _ in names)
    build = taps.source_of(TINY).build(TINY, blocks, 1, 0)
    found = source.build(CONFIG, blocks, 1, 0)

    def lent(logit):
        variables = {"params": _with_share(params, logit)}
        return found(variables, jax.random.key(0), clip)["fnet", taps.MAP][0]

    def own(weights):
        return build({"params": weights}, jax.random.key(0), clip)["fnet", taps.MAP][0]

    np.testing.assert_array_equal(lent(-200), own(params["flow"]))
    changed = change.Change(CONFIG.rank).apply({"params": params["change"]}, params["flow"])
    wanted = own(jax.tree.map(jnp.add, params["flow"], changed))
    np.testing.assert_allclose(lent(40), wanted, rtol=1e-4, atol=1e-4)
    assert np.abs(wanted - own(params["flow"])).max() > 0.01


def test_a_network_that_does_not_refine_is_refused():
    config = dataclasses.replace(CONFIG, flow=models.preset("pwcnet"))
    with pytest.raises(errors.UserError, match="a pwcnet network is no flow network that refines"):
        calls.abstract_variables(config)
