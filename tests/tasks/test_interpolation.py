"""Interpolation as a task: triplets, what is refused, the teacher, the schedule."""

import dataclasses
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, models, tasks
from daflow_jax.experiment import build
from daflow_jax.models.outputs import InterpolationOutput
from daflow_jax.models.rife import entry
from daflow_jax.tasks import triplets
from daflow_jax.train import optimizer
from tests.models import published_rife as published


@dataclasses.dataclass(frozen=True)
class _Config:
    teacher: bool = True
    any_time: bool = True


class _Blend(nn.Module):
    """Blends the ends by one learned number; its teacher is the truth."""

    config: Any = _Config()

    def setup(self):
        self.share = self.param("share", nn.initializers.constant(0.4), ())

    def __call__(self, pairs, times):
        return self.share * pairs[:, 0] + (1 - self.share) * pairs[:, 1]

    def learn(self, pairs, times, target):
        frames = self(pairs, times)
        flows = jnp.zeros((2, *target.shape[:3], 4)) + self.share
        teacher = (flows[0], target) if self.config.teacher else (None, None)
        return InterpolationOutput(frames, flows, jnp.stack([frames] * 2), *teacher)


def _clips(frames=5, size=64, batch=2):
    """Returns clips whose frame k is k / 10 everywhere, red a little more."""
    values = jnp.arange(frames) / 10
    clips = jnp.broadcast_to(values[None, :, None, None, None], (batch, frames, size, size, 3))
    return clips + jnp.array([0.05, 0, 0])


def test_the_middle_and_any_inner_frame_have_their_time():
    three = triplets.middle(_clips())
    np.testing.assert_allclose(three.times, 0.5)
    np.testing.assert_allclose(three.target[:, 0, 0, 1], 0.2)
    np.testing.assert_allclose(three.pairs[:, :, 0, 0, 1], [[0, 0.4]] * 2, atol=1e-7)
    one = triplets.at(_clips(), jnp.array([1, 3]))
    np.testing.assert_allclose(one.times, [0.25, 0.75])
    np.testing.assert_allclose(one.target[:, 0, 0, 1], [0.1, 0.3])


def test_draws_reverse_time_and_colour_and_keep_frames_together():
    rows = jnp.linspace(0, 0.04, 64)[:, None, None]
    clips = _clips(batch=64) + rows
    three = jax.jit(triplets.draw, static_argnums=2)(jax.random.key(0), clips, True)
    green = three.target[..., 1] - three.pairs[:, 0, ..., 1]
    step = three.pairs[:, 1, ..., 1] - three.pairs[:, 0, ..., 1]
    np.testing.assert_allclose(green, step * three.times[:, None, None], atol=1e-6)
    assert {float(x) for x in np.unique(np.round(three.times, 4))} == {0.25, 0.5, 0.75}
    back = np.asarray(step[:, 0, 0]) < 0
    blue = np.asarray(three.target[:, 0, 0, 2] > three.target[:, 0, 0, 0])
    slope = (np.asarray(three.target[..., 1]) @ np.linspace(-1, 1, 64))[:, 0]
    for share in (back.mean(), blue.mean(), (np.abs(slope) > 1e-3).mean()):
        assert 0.3 < share < 0.7
    middle = triplets.draw(jax.random.key(0), clips[:4, :, :32], False)
    np.testing.assert_allclose(middle.times, 0.5)


def test_loss_is_the_sum_of_its_parts_and_the_teacher_is_optional():
    clips = _clips()
    for teacher in (True, False):
        module = _Blend(_Config(teacher))
        task = tasks.Interpolation(module, distill=0.01, teacher=teacher, augment=False)
        variables = task.init(jax.random.key(0), {"hq": clips})
        loss = jax.jit(task.loss)
        out = loss(variables["params"], {}, {"hq": clips}, jax.random.key(0))
        parts = {k: float(cast(jax.Array, v)) for k, v in out.metrics.items()}
        wanted = parts["laplacian"]
        if teacher:
            wanted += parts["teacher"] + 0.01 * parts["distillation"]
        np.testing.assert_allclose(out.loss, wanted, rtol=1e-6)
        assert ("teacher" in parts) == teacher
    batch = {"hq": clips, "weight": jnp.array([1.0, 0.0])}
    scores = jax.jit(task.evaluate)(variables["params"], {}, batch, jax.random.key(0))
    np.testing.assert_allclose(scores["psnr"].compute(), -20 * np.log10(0.04), rtol=1e-3)
    assert {"psnr", "psnr_blend", "psnr_mean", "laplacian"} == set(scores)
    pictures = task.pictures(variables["params"], {}, batch, jax.random.key(0))
    assert pictures["middle"].shape == (64, 64, 3)


@pytest.mark.parametrize("shape", [(1, 2, 64, 64, 3), (1, 3, 32, 64, 3)])
def test_clips_without_a_middle_or_a_pyramid_are_refused(shape):
    task = tasks.Interpolation(_Blend())
    with pytest.raises(errors.UserError, match="data.scene"):
        task.init(jax.random.key(0), {"hq": jnp.zeros(shape)})


def _config(**changes):
    return {
        "task": {"name": "interpolation", **changes.get("task", {})},
        "model": {"name": changes.get("name", "rife"), **changes.get("model", {})},
        "optimizer": {"lr": 1e-3},
        "data": {"scene": {"frames": 3, "height": 64, "width": 64}},
        "train": {"steps": 1, "batch_size": 8},
    }


@pytest.mark.parametrize(
    "changes, rule",
    [
        (dict(name="rife-3.8"), "has no teacher"),
        (dict(model=dict(teacher=False)), "has no teacher"),
        (dict(task=dict(teacher=False)), "would stay as it was drawn"),
    ],
)
def test_a_teacher_must_be_there_or_not_as_the_task_says(changes, rule):
    with pytest.raises(errors.UserError, match=rule) as refusal:
        build(_config(**changes))
    assert refusal.value.code == 2


def test_weights_without_block_tea_are_refused_for_training():
    params = {"block0": {}, "unet": {}}
    with pytest.raises(errors.UserError, match="no block_tea") as refusal:
        entry.check_start(models.preset("rife"), {"params": params})
    assert refusal.value.code == 2
    entry.check_start(models.preset("rife", teacher=False), {"params": params})
    entry.check_start(models.preset("rife"), {"params": {"unet": {}}})  # a part of a model


def test_rate_equals_the_published_one_at_every_step():
    golden = np.load(published.OWN / "rife_ops_a.npz")
    settings = optimizer.OptimizerConfig(lr=3e-4, schedule="from_zero", warmup_steps=2000)
    rate = optimizer.make_optimizer(settings, int(golden["lr_total_steps"])).rate
    ours = [rate(int(step)) for step in golden["lr_steps"]]
    np.testing.assert_allclose(ours, golden["lr_values"], rtol=2e-5, atol=0)
    assert float(rate(0)) == 0
