"""Two training steps of RAFT-small against the published network, loss and optimiser (PyTorch)."""

import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from daflow_jax import models, tasks
from daflow_jax.convert import engine
from daflow_jax.models.raft import convert as raft_convert
from daflow_jax.train import optimizer, step
from daflow_jax.train import state as states
from tests.golden import weights

GOLDEN = Path(__file__).parents[1] / "golden" / "raft"
NAMES = json.loads((GOLDEN / "names" / "raft_small.json").read_text())


@pytest.fixture(scope="module")
def trainer():
    task = tasks.OpticalFlow(models.build(models.preset("raft-small", lookup="matmul")), iters=3)
    settings = optimizer.OptimizerConfig(lr=4e-4, schedule="one_cycle", weight_decay=1e-4)
    return task, optimizer.make_optimizer(settings, 100_000)


@pytest.fixture(scope="module")
def update(trainer):
    return jax.jit(step.make_step(*trainer))


def _batch(golden):
    lq = np.stack([golden["image1"], golden["image2"]], 1).astype(np.float32) / 255
    flow = golden["flow_gt_x64"][:, None].astype(np.float32) / 64
    valid = golden["valid_x100"][:, None] >= 50
    return {"lq": jnp.asarray(lq), "flow": jnp.asarray(flow), "valid": jnp.asarray(valid)}


def _variables(task, batch, seed):
    abstract = jax.eval_shape(
        lambda: task.init(jax.random.key(0), {"lq": jnp.asarray(batch["lq"])})
    )
    target = {k: v.shape for k, v in traverse_util.flatten_dict(abstract, sep="/").items()}
    published = weights.state_dict(NAMES["params"], seed)
    flat = engine.convert(published, raft_convert.RULES, target, raft_convert.DEAD).parameters
    return jax.tree.map(jnp.asarray, traverse_util.unflatten_dict(flat, sep="/"))


def _path(name: str) -> str:
    """Returns our path of a published parameter, without its collection."""
    for pattern, path, _ in raft_convert.RULES:
        if match := re.fullmatch(pattern, name):
            return match.expand(path).removeprefix("params/")
    raise KeyError(name)


def _norms(tree) -> np.ndarray:
    flat = traverse_util.flatten_dict(tree, sep="/")
    return np.array([np.linalg.norm(flat[_path(name)]) for name in NAMES["named_parameters"]])


@pytest.mark.parametrize("name, seed", [("a", 0), ("b", 1)])
def test_two_steps_equal_published_training(trainer, update, name, seed):
    golden = np.load(GOLDEN / f"raft_small_train_{name}.npz")
    g = {key.removeprefix("bn_train/"): golden[key] for key in golden}
    task, opt = trainer
    batch = _batch(g)
    state = states.create(_variables(task, batch, seed), jax.random.key(0), opt)
    moved = [n not in NAMES["zero_gradient_biases"] for n in NAMES["named_parameters"]]
    for number in ("1", "2"):
        new, metrics = update(state, batch)
        for key, ours in (
            ("loss_step", "loss"),
            ("lr_step", "lr"),
            ("total_grad_norm_step", "grad_norm"),
        ):
            rtol = {"loss": 1e-5, "lr": 1e-6, "grad_norm": 1e-3}[ours]
            np.testing.assert_allclose(
                metrics[ours], g[key + number], rtol=rtol, err_msg=key + number
            )
        updates = _norms(jax.tree.map(lambda a, b: a - b, new.params, state.params))
        np.testing.assert_allclose(
            updates[moved], g[f"update_norms_step{number}"][moved], rtol=2e-2
        )
        np.testing.assert_allclose(
            _norms(new.params)[moved], g[f"param_norms_after_step{number}"][moved], rtol=1e-4
        )
        if number == "1":
            epe, *below = g["metrics_step1"]
            ours = [metrics["epe"], *(1 - metrics[f"out{px}"] for px in (1, 3, 5))]
            np.testing.assert_allclose(ours, [epe, *below], rtol=1e-3)
        state = new


def test_gradients_equal_published_ones_per_parameter(trainer):
    golden = np.load(GOLDEN / "raft_small_train_a.npz")
    batch = _batch(golden)
    task, _ = trainer
    variables = _variables(task, batch, 0)
    grads = jax.jit(jax.grad(lambda p: task.loss(p, {}, batch, jax.random.key(0)).loss))(
        variables["params"]
    )
    moved = np.array([n not in NAMES["zero_gradient_biases"] for n in NAMES["named_parameters"]])
    want = golden["bn_train/grad_norms_step1"]
    np.testing.assert_allclose(_norms(grads)[moved], want[moved], rtol=1e-2)
