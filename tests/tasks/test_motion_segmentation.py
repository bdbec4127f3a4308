"""Guess What Moves as a task: devices, controls, scores, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, experiment, sharding
from daflow_jax.tasks import inputs, motion_segmentation
from daflow_jax.train import setup, step


def config(**task):
    return {
        "task": {"name": "motion_segmentation", **task},
        "model": {"name": "mask-unet-nano", "widths": (8, 8), "masks": 3},
        "optimizer": {"lr": 1e-2, "schedule": "constant"},
        "data": {"scene": {"height": 32, "width": 32, "still_share": 0.0}},
        "train": {"steps": 2, "batch_size": 8},
        "eval": {"batches": 1},
        "log": {"tensorboard": False},
    }


@pytest.fixture(scope="module")
def rows():
    return next(experiment.build(config(), jax.devices()[:1]).data.open())


def stepped(e, rows):
    with jax.set_mesh(e.mesh):
        state = setup.initial_state(e, setup.abstract_state(e))
        run, losses = jax.jit(step.make_step(e.task, e.optimizer)), []
        for _ in range(2):
            state, metrics = run(state, sharding.place_batch(rows, e.mesh))
            losses.append(float(metrics["loss"]))
    return losses, jax.device_get(state)


@pytest.fixture(scope="module")
def one(rows):
    e = experiment.build(config(), jax.devices()[:1])
    return (e, *stepped(e, rows))


@pytest.mark.slow
def test_a_step_learns(one):
    assert one[1][0] != one[1][1] and np.isfinite(one[1]).all()


@pytest.mark.slow
def test_one_device_and_eight_give_equal_losses(one, rows):
    losses, _ = stepped(experiment.build(config()), rows)
    np.testing.assert_allclose(one[1], losses, rtol=2e-5)


def test_scores_of_true_masks_are_one(rows):
    true = jnp.asarray(rows["instances"][:2, 0]) % 4
    shares = jax.nn.one_hot(true, 4)
    found = motion_segmentation.scores(shares, jnp.asarray(rows["hq"][:2, 0]), true)
    for name in ("iou", "ari", "ari_objects"):
        values = np.asarray(found[name])
        np.testing.assert_allclose(values[~np.isnan(values)], 1, atol=1e-5)
    assert np.nanmax(found["iou_merged"]) <= 1


@pytest.mark.slow
def test_evaluation_names_every_protocol(one, rows):
    e, _, state = one
    batch = {key: jnp.asarray(x) for key, x in rows.items()}
    found = jax.jit(e.task.evaluate)(state.params, {}, batch, jax.random.key(0))
    names = {"loss", "used", "iou", "iou_merged", "iou_objects", "ari", "ari_objects"}
    assert set(found) == names and float(found["loss"].compute()) > 0
    exported = e.task.exported(state.params, {})
    assert set(exported) == {""} and "down0" in exported[""]["params"]


REFUSED = {
    "flow_from: is 'network'. Name a network": {"flow_from": "network"},
    "fit: is 'linear'. Known: constant, quadratic": {"fit": "linear"},
    "frames: is 'lr'": {"frames": "lr"},
    "clip: is 0": {"clip": 0.0},
}


@pytest.mark.parametrize("message", REFUSED)
def test_fields_that_do_not_fit_are_refused(message):
    with pytest.raises(errors.UserError, match=message) as refusal:
        experiment.build(config(**REFUSED[message]), jax.devices()[:1])
    assert refusal.value.code == 2


def test_still_clips_are_refused_with_their_measure(rows):
    task = experiment.build(config(), jax.devices()[:1]).task
    still = {**rows, "hq": np.repeat(rows["hq"][:, :1], 2, 1)}
    still = {key: still[key] for key in (*task.inputs, "weight")}
    with pytest.raises(errors.UserError, match="0 grey levels: nothing moves"):
        inputs.check(task.inputs, still)
