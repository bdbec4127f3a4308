"""A batch in parts: the gradients, metrics and statistics of the whole, on one device and eight."""

import functools
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, experiment, models, precision, tasks
from daflow_jax.models.dit4sr.model import DiTOutput
from daflow_jax.models.outputs import FlowOutput
from daflow_jax.train import data_feed, setup, state, step
from tests import batches
from tests.train import toy

SIZE, CLIPS = (2, 8, 8), 16


class Flow(nn.Module):
    """Two convolutions with batch norm, under the flow call."""

    @nn.compact
    def __call__(self, frames, iters=12, *, init_flow=None, train=False, all_iterations=False):
        x = jnp.concatenate([frames[:, :-1], frames[:, 1:]], -1)
        x = nn.Conv(8, (3, 3), name="conv")(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9, name="bn")(x))
        flow = nn.Conv(2, (3, 3), name="head")(x)
        steps = jnp.arange(1, iters + 1)[:, None, None, None, None, None] / iters
        flows = flow * steps if all_iterations else flow[None]
        return FlowOutput(flows.astype(jnp.float32), flow[:, :, ::8, ::8])


class Mixture(nn.Module):
    """The same with a mixture of Laplace."""

    config = models.preset("sea-raft-s")  # of which the task reads the bounds

    @nn.compact
    def __call__(self, frames, *args, **options):
        out = Flow(name="flow")(frames, *args, **options)
        return out._replace(info=4 * jnp.concatenate([out.flows, -out.flows], axis=-1))


class Denoiser(nn.Module):
    """One convolution of noisy and degraded frames, under the restorer's calls."""

    config = models.preset("restorer-nano")  # of which the task reads what is predicted

    @nn.compact
    def __call__(self, noisy, lq, sigma):
        x = nn.Conv(3, (3, 3), name="conv")(jnp.concatenate([noisy, lq], -1))
        return DiTOutput(x * sigma[:, None, None, None, None], ())

    def encode(self, frames, rng):
        return 2 * frames - 1

    def features(self, frames, rng):
        return self(frames, frames, jnp.ones(len(frames)))


def _batch(seed=0):
    rng = np.random.default_rng(seed)
    rows = {key: np.asarray(x) for key, x in batches.zeros(CLIPS, *SIZE).items()}
    for key in ("lq", "hq", "flow"):
        rows[key] = rng.random(rows[key].shape, np.float32)
    share = rng.random((CLIPS, 1, 1, 1))  # parts differ in how many pixels are known
    weight = np.ones(CLIPS, np.float32)
    weight[[3, 7, 8, 11, 15]] = 0  # with 4 parts, one has a single clip that counts
    return rows | {"valid": rng.random(rows["valid"].shape) < share, "weight": weight}


class _Rows:
    def __next__(self):
        return _batch()


@functools.cache
def _stepped(task, accumulate, devices=1):
    """Returns the state after one step, and its metrics."""
    axes = {"data": 2, "fsdp": devices // 2} if devices > 1 else None
    e = toy.experiment(
        task=task,
        devices=devices,
        axes=axes,
        frozen=(),
        data=data_feed.HostData(_Rows),
        example=batches.zeros(1, *SIZE),
        train=setup.TrainConfig(steps=1, batch_size=CLIPS, accumulate=accumulate),
    )
    like = setup.abstract_state(e)
    with jax.set_mesh(e.mesh):
        run = data_feed.make_feed(e.data, setup.make_step(e), e.mesh, like)
        return *run(setup.initial_state(e, like)), run


def _moment(new):
    """Returns the first moment: a tenth of the clipped gradient."""
    return next(x for x in jax.tree.leaves(new.opt_state, is_leaf=_is_adam) if _is_adam(x)).mu


def _is_adam(x):
    return hasattr(x, "mu")


FLOW = tasks.OpticalFlow(Flow(), iters=3)
MIXTURE = tasks.OpticalFlow(Mixture(), iters=3, gamma=0.85)


@pytest.mark.parametrize(
    "task, accumulate, devices",
    [
        pytest.param(FLOW, 4, 1, id="absolute error"),
        pytest.param(FLOW, 2, 8, id="absolute error on a mesh", marks=pytest.mark.slow),
        pytest.param(MIXTURE, 4, 1, id="likelihood", marks=pytest.mark.slow),
        pytest.param(MIXTURE, 2, 8, id="likelihood on a mesh"),
    ],
)
def test_parts_give_the_gradient_and_the_metrics_of_the_whole(task, accumulate, devices):
    whole, expected, _ = _stepped(task, 1)
    parts, metrics, _ = _stepped(task, accumulate, devices)
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-5, err_msg=name)
    for a, b in zip(*map(jax.tree.leaves, (_moment(parts), _moment(whole))), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * np.abs(b).max())
    for a, b in zip(*map(jax.tree.leaves, (parts.ema, whole.ema)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_batch_statistics_pass_from_part_to_part():
    task = tasks.OpticalFlow(Flow(), iters=3, batch_norm="train")
    new, _, _ = _stepped(task, 4)
    e = toy.experiment(task=task, frozen=(), example=batches.zeros(1, *SIZE))
    old = setup.initial_state(e, setup.abstract_state(e))
    aux, rows = old.aux, _batch()
    for part in range(4):
        rows_of = {key: jnp.asarray(x[part::4]) for key, x in rows.items()}
        aux = task.loss(old.params, aux, rows_of, jax.random.key(0)).aux
    for a, b in zip(*map(jax.tree.leaves, (new.aux, aux)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_restoration_leaves_out_what_only_pads():
    task = tasks.Restoration(Denoiser())
    e = toy.experiment(task=task, frozen=(), example=batches.zeros(1, *SIZE))
    old = setup.initial_state(e, setup.abstract_state(e))
    rng = np.random.default_rng(0)
    lq, hq = (rng.random((4, *SIZE, 3), np.float32) for _ in range(2))
    run = jax.jit(step.make_step(task, e.optimizer, accumulate=2))
    full = {"lq": lq, "hq": hq, "weight": np.array([1, 0, 1, 0], np.float32)}
    other = full | {"hq": hq * full["weight"][:, None, None, None, None]}
    new, metrics = run(old, full)
    assert float(metrics["skipped"]) == 0
    alone, _ = run(old, other)
    jax.tree.map(np.testing.assert_array_equal, new.params, alone.params)
    rows = {key: jnp.asarray(x[::2]) for key, x in full.items()}  # the part that counts
    only = jax.jit(lambda p: task.loss(p, {}, rows, _key(old, 0)).loss)(old.params)
    np.testing.assert_allclose(metrics["loss"], only, rtol=1e-5)


def _key(old, part):
    return jax.random.fold_in(jax.random.fold_in(old.rng, old.step), part)


def test_a_bad_part_makes_the_whole_step_a_skipped_one():
    task = FLOW
    e = toy.experiment(task=task, frozen=(), example=batches.zeros(1, *SIZE))
    old = setup.initial_state(e, setup.abstract_state(e))
    rows = _batch()
    rows["lq"][5] = np.nan
    new, metrics = jax.jit(step.make_step(task, e.optimizer, accumulate=4))(old, rows)
    assert float(metrics["skipped"]) == 1 and int(new.health.bad) == 1
    jax.tree.map(np.testing.assert_array_equal, (new.params, new.ema), (old.params, old.ema))


@pytest.mark.slow
def test_parts_stay_on_their_devices_and_are_written_out_on_cpus():
    _, _, run = _stepped(FLOW, 2, devices=8)
    e = toy.experiment(task=FLOW, frozen=(), example=batches.zeros(1, *SIZE), devices=8)
    with jax.set_mesh(e.mesh):
        like = setup.abstract_state(e)
        text = run.jitted.lower(like, _batch()).compile().as_text()
    moves = set(re.findall(r" (all-gather|all-to-all|collective-permute)\(", text))
    assert not moves and " while(" not in text
    looped = step.make_step(FLOW, e.optimizer, accumulate=2)
    assert "while" in jax.jit(looped).lower(like, _batch()).as_text()


def test_parts_must_divide_the_clips_of_a_device():
    config = {
        "task": {"name": "optical_flow"},
        "model": {"name": "raft-small"},
        "optimizer": {"lr": 1e-4},
        "data": {"scene": {"height": 128, "width": 128}},
        "train": {"steps": 4, "batch_size": 32, "accumulate": 3},
    }
    message = r"train.accumulate: 3 does not divide the 4 clips of a device\. Use one of 1, 2, 4"
    with pytest.raises(errors.UserError, match=message):
        experiment.build(config)


def test_bfloat16_parameters_are_updated_in_float32_and_then_rounded():
    policy = precision.parse("bf16")
    e = toy.experiment(frozen=())
    variables = e.task.init(jax.random.key(0), e.example)
    old = state.create(
        variables, jax.random.key(1), e.optimizer, state.ParameterPartition(policy=policy)
    )
    exact = state.as_float32(old.params)
    rows = toy.rows(0, 0, 8)
    new, _ = jax.jit(step.make_step(e.task, e.optimizer))(old, rows)
    rng = jax.random.fold_in(old.rng, old.step)
    grads = jax.grad(lambda p: e.task.loss(p, old.aux, rows, rng).loss)(old.params)
    assert grads["mix"]["kernel"].dtype == jnp.bfloat16
    direction, _ = e.optimizer.tx.update(state.as_float32(grads), old.opt_state, exact)
    moved = jax.tree.map(lambda p, d: p - e.optimizer.rate(0) * d, exact, direction)
    got, want = new.params["mix"]["kernel"], moved["mix"]["kernel"]
    np.testing.assert_array_equal(got, want.astype(jnp.bfloat16))
    assert float(jnp.abs(got - old.params["mix"]["kernel"]).max()) > 0
