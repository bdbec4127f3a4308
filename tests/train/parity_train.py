"""Two training steps of the RAFT family against the published networks, losses and optimiser."""

import dataclasses
import functools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from daflow_jax import models, tasks
from daflow_jax.convert import engine
from daflow_jax.train import optimizer, step
from daflow_jax.train import state as states
from tests.models import published_raft
from tests.models.parity import Row

FIXTURES = (  # network, part, treatment of batch norm
    *(("raft", part, mode) for part in "ab" for mode in ("train", "frozen")),
    *((name, part, "train") for name in ("raft-small", "sea-raft-s") for part in "ab"),
    ("sea-raft-m", "a", "train"),
)
INPUTS = ("image1", "image2", "flow_gt_x64", "valid_x100")


class Recipe(NamedTuple):
    """How a published training was set up, and bounds of what is compared.

    loss, total, grads and updates are pairs for the first and the second step, whose gradients
    already differ by the first step's rounding; all but `head` and `buffers` are relative.
    """

    gamma: float
    weight_decay: float
    steps: int
    loss: tuple[float, float]
    total: tuple[float, float]
    grads: tuple[float, float]
    updates: tuple[float, float]
    head: float
    params: float = 1e-4
    buffers: float = 1e-5


RECIPES = {
    "raft": Recipe(
        gamma=0.8,
        weight_decay=1e-4,
        steps=100_000,
        loss=(1e-5, 1e-5),
        total=(1e-3, 1e-3),
        grads=(1e-2, 1e-2),
        updates=(2e-2, 2e-2),
        head=7e-3,
    ),
    "sea_raft": Recipe(
        gamma=0.85,
        weight_decay=1e-5,
        steps=300_000,
        loss=(2e-5, 2e-5),
        total=(2e-4, 5e-4),
        grads=(1.4e-2, 1.1e-1),
        updates=(5e-2, 1e-1),
        head=5e-2,
        params=1.6e-4,
    ),
}


@dataclasses.dataclass(frozen=True)
class Recorder(tasks.OpticalFlow):
    """The task, which also reports the loss of each prediction alone."""

    seen: list[Any] = dataclasses.field(default_factory=list)

    def loss(self, params, aux, batch, rng):
        self.seen.clear()
        out = super().loss(params, aux, batch, rng)
        predictions, *target = self.seen[0]
        each = []
        for i in range(len(predictions.flows)):
            one = jax.tree.map(lambda x, i=i: x[i : i + 1], predictions._replace(low=None))
            each.append(super()._objective(one, *target))
        return out._replace(metrics=out.metrics | {"per_iteration": jnp.stack(each)})

    def _objective(self, out, target, valid):
        self.seen.append((out, target, valid))
        return super()._objective(out, target, valid)


def _noted(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """Returns `tx` with the gradients that came in as the first part of its state."""
    note = optax.GradientTransformation(
        lambda params: jax.tree.map(jnp.zeros_like, params), lambda grads, *_: (grads, grads)
    )
    return optax.chain(note, tx)


@functools.cache
def trainer(name: str, batch_norm: str):
    """Returns (module, optimiser, compiled step) of a model's recipe, 3 iterations."""
    module = models.build(models.preset(name, lookup="matmul"))
    recipe = RECIPES[models.entry_of(module.config).family]
    task = Recorder(module, iters=3, gamma=recipe.gamma, batch_norm=batch_norm)
    settings = optimizer.OptimizerConfig(lr=4e-4, weight_decay=recipe.weight_decay)
    opt = optimizer.make_optimizer(settings, recipe.steps)
    opt = opt._replace(tx=_noted(opt.tx))
    quick = {"xla_backend_optimization_level": 1}  # these programs run twice: compiling is the cost
    return module, opt, jax.jit(step.make_step(task, opt), compiler_options=quick)


def rows(name: str, part: str, batch_norm: str = "train") -> Iterator[Row]:
    """Yields a row for every array of a training fixture with this treatment of batch norm."""
    golden = np.load(published_raft.GOLDEN / f"{name.replace('-', '_')}_train_{part}.npz")
    module, opt, update = trainer(name, batch_norm)
    family = models.entry_of(module.config).family
    prefix = f"bn_{batch_norm}/" if family == "raft" else ""
    seed = {"a": 0, "b": 1}[part]
    variables = published_raft.convert(module, published_raft.state_dict(name, seed))
    state = states.create(variables, jax.random.key(0), opt)
    for number in (1, 2):
        new, metrics = update(state, _batch(golden))
        found = _figures(name, family, number, metrics, state, new)
        for key, (ours, bound, measure) in found.items():
            if prefix + key in golden:
                published = _moved(name, key, golden[prefix + key])
                yield Row(prefix + key, _moved(name, key, ours), published, bound, measure)
        state = new


def _batch(golden):
    flow = golden["flow_gt_x64"][:, None].astype(np.float32) / 64
    valid = golden["valid_x100"][:, None] >= 50
    return jax.tree.map(
        jnp.asarray, {"lq": published_raft.frames(golden), "flow": flow, "valid": valid}
    )


def _figures(name, family, number, metrics, old, new):
    """Returns the fixture's name -> (value, tolerance, measure) of one step."""
    recipe, first = RECIPES[family], number == 1
    grads = engine.flatten(jax.device_get(new.opt_state[0]))
    before, after = (engine.flatten(jax.device_get(s.params)) for s in (old, new))
    paths = [_path(family, n) for n in published_raft.names(name)["named_parameters"]]
    change = {path: after[path].astype(np.float64) - before[path] for path in after}
    shares = [metrics["epe"], *(1 - metrics[f"out{px}"] for px in (1, 3, 5))]
    figures = {
        "loss_step": (metrics["loss"], recipe.loss[number - 1], "relative"),
        "loss_per_iter_step": (metrics["per_iteration"], recipe.loss[number - 1], "relative"),
        "metrics_step": (np.stack(shares), 1.2e-3, "relative"),
        "lr_step": (metrics["lr"], 1e-6, "relative"),
        "total_grad_norm_step": (metrics["grad_norm"], recipe.total[number - 1], "relative"),
        "grad_norms_step": (_norms(grads, paths), recipe.grads[number - 1], "relative"),
        "update_norms_step": (_norms(change, paths), recipe.updates[number - 1], "relative"),
        "param_norms_after_step": (_norms(after, paths), recipe.params, "relative"),
    }
    figures = {f"{key}{number}": figure for key, figure in figures.items()}
    if first:
        figures["grad_head8"] = (
            np.stack([_head(grads[path]) for path in paths]),
            recipe.head,
            "absolute",
        )
        figures |= _buffers(name, family, engine.flatten(jax.device_get(new.aux)), recipe.buffers)
    return figures


def _buffers(name, family, aux, bound):
    """Returns the running statistics, by name (RAFT) and joined in the published order."""
    known = published_raft.names(name)
    order = known.get("bn_buffers") or [n for n in known["params"] if ".running_" in n]
    arrays = {buffer: aux[_path(family, buffer)] for buffer in order}
    figures = {f"buf/{buffer}": (array, bound, "absolute") for buffer, array in arrays.items()}
    if arrays:
        figures["bn_buffers"] = np.concatenate(list(arrays.values())), bound, "absolute"
    return figures


def _path(family: str, name: str) -> str:
    """Returns our path of a published tensor; of a parameter without its collection."""
    for pattern, path, _ in published_raft.TABLES[family].RULES:
        if match := re.fullmatch(pattern, name):
            return match.expand(path).removeprefix("params/")
    raise KeyError(name)


def _moved(name, key, values) -> np.ndarray:
    """Returns figures per parameter without the biases whose true gradient is zero."""
    if not key.startswith(("grad_norms", "update_norms", "param_norms")):
        return np.asarray(values)
    known = published_raft.names(name)
    return values[[n not in known["zero_gradient_biases"] for n in known["named_parameters"]]]


def _norms(tree, paths) -> np.ndarray:
    return np.array([np.linalg.norm(tree[path].astype(np.float64)) for path in paths])


def _head(gradient: np.ndarray) -> np.ndarray:
    """Returns the first eight entries in the published order of axes."""
    array = gradient.transpose(3, 2, 0, 1) if gradient.ndim == 4 else gradient
    return np.resize(np.pad(array.ravel(), (0, 8)), 8)
