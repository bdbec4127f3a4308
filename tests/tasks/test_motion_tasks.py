"""The self-supervised tasks: a step on one device and on eight, teachers, queues, exports, and what
they refuse."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import api, errors, experiment, pretrained, sharding
from daflow_jax.tasks import inputs
from daflow_jax.train import loop, setup, step

SMALL = {"stem": 8, "widths": (8, 8, 16, 16)}
TASKS = {
    "flowe": (
        {"name": "flow_equivariance", "hidden": 16, "features": 8, "every": 4, "color": 0.0},
        {"name": "resnet-nano", **SMALL},
    ),
    "poodle": (
        {
            "name": "flow_equivariance", "hidden": 16, "features": 8, "every": 4, "pooled": 0.5,
            "crops": 2, "crop_size": 16, "validity": "relative", "first_bias": True,
        },
        {"name": "resnet-nano-decoder", **SMALL, "decoder": (16, 8)},
    ),
    "densecl": (
        {
            "name": "dense_contrast", "hidden": 16, "features": 8, "queue": 32, "crop_size": 32,
            "color": 0.0,
        },
        {"name": "resnet-nano", **SMALL},
    ),
    "dora": (
        {
            "name": "dora", "hidden": 16, "bottleneck": 8, "outputs": 24, "global_size": 32,
            "local_size": 16, "crops": 2, "context_size": 0, "objects": 2,
        },
        {"name": "vit-nano", "width": 16, "depth": 2, "heads": 2, "table": 32, "drop_path": 0.1},
    ),
}  # fmt: skip


def config(name, steps=2, **task):
    own, model = TASKS[name]
    return {
        "task": {**own, **task},
        "model": model,
        "optimizer": {"name": "sgd", "lr": 1e-2, "schedule": "constant", "clip_norm": 1e9},
        "data": {"scene": {"frames": 2, "height": 32, "width": 32, "still_share": 0.0}},
        "train": {"steps": steps, "batch_size": 8},
        "eval": {"every": 0, "batches": 1},
        "checkpoint": {"every": 0},
        "log": {"every": 1, "tensorboard": False},
    }


@functools.cache
def batch(name):
    """Returns the first clips of the generator, as a loader gives them."""
    return next(experiment.build(config(name), jax.devices()[:1]).data.open())


def stepped(e, rows, count=2):
    """Returns losses of `count` steps on the same clips, and the last state."""
    with jax.set_mesh(e.mesh):
        state = setup.initial_state(e, setup.abstract_state(e))
        run, losses = jax.jit(step.make_step(e.task, e.optimizer)), []
        for _ in range(count):
            state, metrics = run(state, sharding.place_batch(rows, e.mesh))
            losses.append(float(metrics["loss"]))
        return losses, jax.device_get(state)


@pytest.mark.slow
def test_the_loss_of_one_device_is_that_of_eight():
    """The loss alone, which compiles quickly; whole steps of all tasks are compared below."""
    found = []
    for count in (1, 8):
        e = experiment.build(config("flowe"), jax.devices()[:count])
        if not found:
            variables = jax.jit(lambda: e.task.init(jax.random.key(0), e.example))()  # noqa: B023
            variables = jax.device_get(variables)
        with jax.set_mesh(e.mesh):
            placed = sharding.place_batch(batch("flowe"), e.mesh)
            out = jax.jit(e.task.loss)(
                variables["params"], _aux(variables), placed, jax.random.key(1)
            )
        found.append(jax.device_get((out.loss, out.aux["batch_stats"])))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), *found)


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_one_device_and_eight_give_equal_losses(name):
    rows, found = batch(name), []
    for count in (1, 8):
        found.append(stepped(experiment.build(config(name), jax.devices()[:count]), rows))
    (one, before), (eight, after) = found
    np.testing.assert_allclose(one, eight, rtol=2e-5)
    assert one[0] != one[1]
    for a, b in zip(jax.tree.leaves(before.aux), jax.tree.leaves(after.aux), strict=True):
        if a.dtype == np.float32:
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    parts = before.aux["teacher"]
    moved = jax.tree.map(
        lambda t, s: np.abs(t - s).max(), parts, {k: before.params[k] for k in parts}
    )
    assert max(jax.tree.leaves(moved)) > 0 and int(before.aux["updates"]["count"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_it_trains_resumes_and_leaves_encoders(name, tmp_path):
    for steps in (2, 3):
        assert loop.train(experiment.build(config(name, steps)), tmp_path / "run") == 0
    for folder in ("last", "last-teacher", "best"):
        model = api.load(tmp_path / "run/export" / folder)
        maps = model(np.zeros((3, 30, 40, 3), np.uint8))
        assert maps.shape[0] == 3 and maps.shape[-1] == model.config.features


def _task(name, **changes):
    return experiment.build(config(name, **changes), jax.devices()[:1]).task


def _aux(variables):
    return {key: tree for key, tree in variables.items() if key != "params"}


def test_a_teacher_is_the_student_until_the_first_update():
    task, rows = _task("flowe"), jax.tree.map(jnp.asarray, batch("flowe"))
    variables = jax.eval_shape(lambda: task.init(jax.random.key(0), rows))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), variables)
    params = jax.tree.map(jnp.ones_like, zeros["params"])
    _, teacher = task.pair(params, _aux(zeros), train=True)
    assert all((x == 1).all() for x in jax.tree.leaves(teacher.params))
    aux = task.update_aux({**_aux(zeros), "teacher": teacher.params}, params, jnp.int32(0))
    _, later = task.pair(jax.tree.map(jnp.zeros_like, params), aux, train=True)
    assert all((x == 1).all() for x in jax.tree.leaves(later.params))


REFUSED = {
    "flow_from: is 'network'. Name a network": ("flowe", {"flow_from": "network"}),
    "min_area: is 0.5. Use at most max_area": ("poodle", {"min_area": 0.5}),
    "crop_size: is 20. Use a multiple of 8: 16": ("densecl", {"crop_size": 20}),
    "local_size: is 20. Use a multiple of 8: 16": ("dora", {"local_size": 20}),
    "objects: is 9. The network has 2 heads": ("dora", {"objects": 9}),
    "order: is 'published'.*as_published": ("flowe", {"order": "published"}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_fields_that_do_not_fit_are_refused(message):
    name, changes = REFUSED[message]
    with pytest.raises(errors.UserError, match=message) as refusal:
        _task(name, **changes)
    assert refusal.value.code == 2


def _traced(name, rows, **changes):
    e = experiment.build(config(name, **changes), jax.devices()[:1])
    jax.eval_shape(step.make_step(e.task, e.optimizer), setup.abstract_state(e), rows)


def test_a_queue_and_crops_that_do_not_fit_are_refused_before_the_first_step():
    with pytest.raises(
        errors.UserError, match="queue: 36 rows; a batch of 8 clips does not divide"
    ):
        _traced("densecl", batch("densecl"), queue=36)
    with pytest.raises(errors.UserError, match="crop_size: 24; the encoder wants multiples of 16"):
        _traced("poodle", batch("poodle"), crop_size=24)


def test_clips_in_which_nothing_moves_are_refused():
    rows = batch("flowe")
    still = {**rows, "hq": np.repeat(rows["hq"][:, :1], 2, axis=1)}
    for name in ("flowe", "dora"):
        declared = _task(name).inputs
        given = {key: still[key] for key in (*declared, "weight")}
        inputs.check(declared, {key: rows[key] for key in given})
        with pytest.raises(errors.UserError, match="by 0 grey levels: nothing moves in them"):
            inputs.check(declared, given)


def test_a_network_without_heads_and_a_missing_teacher_are_refused(tmp_path):
    values = config("dora") | {"model": {"name": "resnet-nano"}}
    with pytest.raises(errors.UserError, match="model.name: has no attention heads to read"):
        experiment.build(values)
    with pytest.raises(errors.UserError, match="best-teacher"):
        pretrained.load(tmp_path / "export/best-teacher")


def test_flow_may_come_from_a_frozen_network():
    values = config("flowe", flow_from="network", iters=2)
    values["networks"] = {"flow": {"name": "raft-small"}}
    values["data"]["scene"] |= {"height": 128, "width": 128}
    values["optimizer"]["frozen"] = ("flow/.*",)
    with pytest.raises(errors.UserError, match="init_from: is empty"):
        experiment.build(values, jax.devices()[:1])
    values["checkpoint"]["init_from"] = "flow=models/raft-small"
    e = experiment.build(values, jax.devices()[:1])
    assert set(e.example) == {"hq", "weight"}
    like = setup.abstract_state(e)
    assert set(like.frozen) == {"flow"} and set(like.params) == {
        "encoder",
        "projector",
        "predictor",
    }
    out, _ = jax.eval_shape(step.make_step(e.task, e.optimizer), like, setup.batch_spec(e))
    assert jax.tree.structure(out) == jax.tree.structure(like)
