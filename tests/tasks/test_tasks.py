"""Tasks on the smallest networks: what reaches them, what is counted, one device or eight."""

import dataclasses
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from daflow_jax import errors, models, tasks
from daflow_jax.losses import mixture_of_laplace
from daflow_jax.metrics import mean
from daflow_jax.models.outputs import FlowOutput
from daflow_jax.train import data_feed, setup, step
from daflow_jax.train import evaluator as evaluate
from tests import batches
from tests.train import toy

SIZE = (2, 8, 8)


class TinyFlow(nn.Module):
    """Two convolutions with batch norm and noise, under the flow call."""

    @nn.compact
    def __call__(self, frames, iters=12, *, init_flow=None, train=False, all_iterations=False):
        x = jnp.concatenate([frames[:, :-1], frames[:, 1:]], -1)
        x = nn.Conv(8, (3, 3), name="conv")(x)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
        if self.has_rng("noise"):
            x = x + 1e-3 * jax.random.normal(self.make_rng("noise"), x.shape)
        flow = nn.Conv(2, (3, 3), name="head")(nn.relu(x))
        steps = jnp.arange(1, iters + 1)[:, None, None, None, None, None] / iters
        flows = flow * steps if all_iterations else flow[None]
        return FlowOutput(flows.astype(jnp.float32), flow[:, :, ::8, ::8])


class TinyMixture(nn.Module):
    """The same with a mixture of Laplace, as SEA-RAFT gives."""

    config = models.preset("sea-raft-s")  # of which the task reads the bounds

    @nn.compact
    def __call__(self, frames, *args, **options):
        out = TinyFlow()(frames, *args, **options)
        return out._replace(info=4 * jnp.concatenate([out.flows, -out.flows], axis=-1))


def _batch(size=8, seed=0):
    rng = np.random.default_rng(seed)
    rows = {key: np.asarray(x) for key, x in batches.zeros(size, *SIZE).items()}
    for key in ("lq", "hq", "flow"):
        rows[key] = rng.random(rows[key].shape, np.float32)
    return rows | {"valid": rng.random(rows["valid"].shape) > 0.3}


class Rows:
    def __init__(self):
        self.index = 0

    def __next__(self):
        self.index += 1
        return _batch(seed=self.index)


def _losses(devices, axes, task):
    e = toy.experiment(
        task=task,
        data=data_feed.HostData(Rows),
        devices=devices,
        axes=axes,
        frozen=("conv/.*",),
        example=batches.zeros(1, *SIZE),
    )
    like = setup.abstract_state(e)
    run = data_feed.make_feed(e.data, step.make_step(e.task, e.optimizer), e.mesh, like)
    state, losses = setup.initial_state(e, like), []
    for _ in range(6):
        state, metrics = run(state)
        losses.append(float(metrics["loss"]))
    return losses, state


def test_networks_with_a_mixture_descend_its_likelihood_and_show_how_unsure_they_are():
    task = tasks.OpticalFlow(TinyMixture(), iters=3, gamma=0.85)
    batch, rng = jax.tree.map(jnp.asarray, _batch(2)), jax.random.key(0)
    params, aux = _split(task.init(rng, batch))
    out = task.module.apply({"params": params, **aux}, batch["lq"], 3, all_iterations=True)
    valid = batch["valid"].astype(jnp.float32)
    expected = mixture_of_laplace.mixture_loss(out.flows, out.info, batch["flow"], valid, 0.85)
    np.testing.assert_allclose(task.loss(params, aux, batch, rng).loss, expected, rtol=1e-6)
    pictures = task.pictures(params, aux, batch, rng)
    assert pictures["uncertainty"].shape == (*SIZE[1:], 3) and pictures["uncertainty"].max() == 255
    plain = tasks.OpticalFlow(TinyFlow(), iters=3)
    assert "uncertainty" not in plain.pictures(*_split(plain.init(rng, batch)), batch, rng)


def _split(variables):
    return variables["params"], {k: v for k, v in variables.items() if k != "params"}


def test_flow_training_on_eight_devices_equals_one():
    task = tasks.OpticalFlow(TinyFlow(), iters=3, batch_norm="train")
    one, state = _losses(1, None, task)
    eight, _ = _losses(8, {"data": 2, "fsdp": 4}, task)
    np.testing.assert_allclose(eight, one, rtol=1e-5)
    assert one[-1] < one[0]
    statistics = jax.tree.leaves(state.aux["batch_stats"])
    assert any(np.abs(np.asarray(x)).max() > 1e-3 for x in statistics)


def test_hq_never_reaches_the_flow_network():
    task = tasks.OpticalFlow(TinyFlow(), iters=2)
    variables = task.init(jax.random.key(0), _batch())
    params = variables.pop("params")
    loss = jax.jit(lambda rows: task.loss(params, variables, rows, jax.random.key(1)).loss)
    outs = [
        loss(_batch() | {"hq": hq})
        for hq in (np.zeros((8, *SIZE, 3), np.float32), np.ones((8, *SIZE, 3), np.float32))
    ]
    assert outs[0] == outs[1]


class Slider(nn.Module):
    """Moves everything to the right: by `speed` times the width, then by 1 from where it starts."""

    config = types.SimpleNamespace(multiple=8, minimum=8, stride=8)

    @nn.compact
    def __call__(self, frames, iters=12, *, init_flow=None, train=False, all_iterations=False):
        b, f, h, w, _ = frames.shape
        speed = self.param("speed", nn.initializers.constant(0.125), ())
        if init_flow is None:
            init_flow = jnp.broadcast_to(speed * w, (b, f - 1, h // 8, w // 8, 1)) / 8
            init_flow = jnp.concatenate([init_flow, jnp.zeros_like(init_flow)], -1)
        else:
            init_flow = init_flow + speed * jnp.array([1.0, 0.0])  # 1/8 of the grid: one pixel
        flow = 8 * init_flow.repeat(8, 2).repeat(8, 3)
        return FlowOutput(flow[None], init_flow)


@pytest.mark.slow
def test_sizes_are_estimated_in_turn_and_each_learns_in_its_own_pixels():
    task = tasks.OpticalFlow(Slider(), iters=1, scales=(0.25, 0.5))
    batch = jax.tree.map(jnp.asarray, batches.zeros(2, 2, 32, 64))
    target = jnp.zeros_like(batch["flow"]).at[..., 0].set(20.0)
    batch = batch | {"flow": target, "valid": jnp.ones_like(batch["valid"])}
    params, aux = _split(task.init(jax.random.key(0), batch))

    def loss(params):
        return task.loss(params, aux, batch, jax.random.key(0)).loss

    # 16 wide: flow 2 of 5; 32 wide: 2 * 2 + 1 = 5 of 10; 64 wide: 2 * 5 + 1 = 11 of 20
    errors_x = np.array([3.0, 5.0, 9.0])
    np.testing.assert_allclose(loss(params), (errors_x / 2).mean(), rtol=1e-5)
    np.testing.assert_allclose(jax.grad(loss)(params)["speed"], -(16 + 8 + 8) / 2 / 3, rtol=1e-5)
    found = task.evaluate(params, aux, batch, jax.random.key(0))["epe"]
    np.testing.assert_allclose(found.compute(), 9.0, rtol=1e-5)
    hole = batch | {"valid": batch["valid"].at[:, :, :16].set(False)}
    np.testing.assert_allclose(  # invalid rows take their neighbours with them, no more
        task.loss(params, aux, hole, jax.random.key(0)).loss,
        (errors_x / 2 * np.array([3, 7, 16]) / np.array([8, 16, 32])).mean(),
        rtol=1e-5,
    )
    with pytest.raises(ValueError, match="scales: is .2.0,.. Use numbers of 0.015625 to below 1"):
        tasks.OpticalFlow(Slider(), scales=(2.0,))


def test_padded_evaluation_is_exact():
    task = tasks.OpticalFlow(TinyFlow(), iters=2)
    e = toy.experiment(task=task, example=batches.zeros(1, *SIZE), frozen=(), devices=8)
    state = setup.initial_state(e, setup.abstract_state(e))
    zero = jax.tree.map(jnp.zeros_like, state.ema)  # flow zero: epe = mean length of the target
    rows = _batch(11)
    parts = [{k: x[:8] for k, x in rows.items()}, {k: x[8:] for k, x in rows.items()}]
    sets = {"all": lambda: (batches.pad(part, 8) for part in parts)}
    got = evaluate.Evaluator(task, sets, e.mesh)(state.replace(ema=zero))["all"]
    length = np.linalg.norm(rows["flow"], axis=-1)[rows["valid"]]
    np.testing.assert_allclose(got["epe"], length.mean(), rtol=1e-5)
    np.testing.assert_allclose(got["out1"], (length > 1).mean(), rtol=1e-5)


@pytest.fixture(scope="module", params=[pytest.param("frame", marks=pytest.mark.slow), "clip"])
def restoration(request):
    config = models.preset("restorer-nano")
    dit = dataclasses.replace(config.dit, depth=1, heads=2, head_dim=8, taps=(0,), patch_size=4)
    module = models.build(dataclasses.replace(config, dit=dit))
    task = tasks.Restoration(module, unit=request.param)
    rows = {key: np.asarray(x) for key, x in batches.zeros(4, 2, 16, 16).items()}
    rng = np.random.default_rng(0)
    rows |= {key: rng.random(rows[key].shape, np.float32) for key in ("lq", "hq")}
    return task, task.init(jax.random.key(0), batches.zeros(1, 2, 16, 16)), rows


def test_restoration_learns_from_both_streams(restoration):
    task, variables, rows = restoration
    rng = np.random.default_rng(3)  # streams join through zeros at first
    params = jax.tree.map(
        lambda x: x + np.float32(0.05) * rng.standard_normal(x.shape, np.float32),
        variables["params"],
    )

    def loss(params, lq, hq):
        batch = rows | {"lq": lq, "hq": hq}
        return task.loss(params, {}, batch, jax.random.key(1)).loss

    grads, *frames = jax.jit(jax.grad(loss, (0, 1, 2)))(params, rows["lq"], rows["hq"])
    assert all(np.isfinite(g).all() for g in jax.tree.leaves((grads, frames)))
    for name, gradient in zip(("lq", "hq"), frames, strict=True):
        assert (np.abs(gradient).max((2, 3, 4)) > 0).all(), f"a frame of {name} has no effect"
    flat = {"/".join(path): g for path, g in traverse_util.flatten_dict(grads).items()}
    control = {path for path in flat if "control" in path}
    assert control and any(np.abs(flat[path]).max() > 0 for path in control)


def test_restoration_evaluation_ignores_padding(restoration):
    task, variables, rows = restoration
    run = jax.jit(lambda rows: task.evaluate(variables["params"], {}, rows, jax.random.key(2)))
    full = run(rows | {"weight": np.array([1, 1, 0, 0], np.float32)})
    other = {k: np.concatenate([x[:2], np.zeros_like(x[2:])]) for k, x in rows.items()}
    part = run(other | {"weight": np.array([1, 1, 0, 0], np.float32)})
    scores = ("epe", "pck", "moving")
    matching = {f"{metric}_{name}" for metric in scores for name in ("zero", "block0")}
    expected = {"loss", "psnr", "psnr_lq"} | (matching if task.unit == "clip" else set())
    assert isinstance(full["psnr"], mean.Mean) and set(full) == expected
    for key in full:
        np.testing.assert_allclose(full[key].compute(), part[key].compute(), rtol=1e-5)
    difference = (rows["lq"] - rows["hq"])[:2]
    psnr = -10 * np.log10((difference**2).mean((2, 3, 4))).mean()
    np.testing.assert_allclose(full["psnr_lq"].compute(), psnr, rtol=1e-5)


def test_losses_on_the_taps_join_the_restoration_and_reach_queries_and_keys(restoration):
    task, variables, rows = restoration
    if task.unit == "frame":
        for name in ("copy", "match"):
            with pytest.raises(ValueError, match=f"{name} compares frames"):
                dataclasses.replace(task, **{name: 1.0})
        return

    @jax.jit
    def both(params, rows):
        """Returns the loss, and with each of the others its parts and what it adds to gradients."""

        def run(params, **fields):
            out = dataclasses.replace(task, **fields).loss(params, {}, rows, jax.random.key(1))
            return out.loss, out.metrics

        found, grad = {}, jax.value_and_grad(run, has_aux=True)
        (plain, none), bare = grad(params)
        assert not none
        for name in ("copy", "match"):
            total, grads = grad(params, **{name: 1e3})
            more = jax.tree.map(jnp.subtract, grads, bare)["dit"]["blocks_0"]["attn"]
            found[name] = total, {key: more[key]["kernel"] for key in ("to_q", "to_k")}
        return plain, found

    plain, found = both(variables["params"], rows)
    for name, ((total, parts), grads) in found.items():
        assert set(parts) == {"restoration", name}
        np.testing.assert_allclose(parts["restoration"], plain, rtol=1e-6)
        np.testing.assert_allclose(total, plain + 1e3 * parts[name], rtol=1e-6)
        assert all(np.abs(grad).max() > 1e-3 * parts[name] for grad in grads.values())


@pytest.mark.slow
def test_matching_names_the_key_that_a_batch_lacks(restoration):
    task, variables, rows = restoration
    if task.unit == "clip":
        rows = {key: jnp.asarray(x) for key, x in rows.items() if key != "flow"}
        task = dataclasses.replace(task, match=1.0)
        with pytest.raises(errors.UserError, match=r"config.data.keys: lacks 'flow'"):
            task.loss(variables["params"], {}, rows, jax.random.key(1))


def test_a_share_of_clips_is_shown_pure_noise(restoration):
    task, _, _ = restoration
    draws = [
        np.asarray(dataclasses.replace(task, first_step_share=share)._sigma(jax.random.key(0), 999))
        for share in (0.0, 0.4, 1.0)
    ]
    assert abs((draws[1] == 1).mean() - 0.4) < 0.05 and (draws[2] == 1).all()
    same = draws[1] != 1
    np.testing.assert_array_equal(draws[1][same], draws[0][same])
    with pytest.raises(ValueError, match="first_step_share: is 2.0"):
        dataclasses.replace(task, first_step_share=2.0)


def test_pictures_are_uint8_of_the_frames_size(restoration):
    flow = tasks.OpticalFlow(TinyFlow(), iters=2)
    variables = flow.init(jax.random.key(0), _batch())
    images = flow.pictures(variables.pop("params"), variables, _batch(), jax.random.key(0))
    assert set(images) == {"lq", "hq", "flow", "target", "error"}
    task, variables, rows = restoration
    images |= task.pictures(variables["params"], {}, rows, jax.random.key(0))
    assert all(x.dtype == np.uint8 and x.shape[-1] == 3 for x in images.values())
