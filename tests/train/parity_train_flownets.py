"""Two training steps of PWC-Net and FlowNet against the published networks and optimisers."""

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from daflow_jax import tasks
from daflow_jax.convert import engine
from daflow_jax.losses import multiscale
from daflow_jax.train import groups, optimizer, step
from daflow_jax.train import state as states
from tests.models import parity_flownets
from tests.models import published_flownets as published
from tests.models.parity import Row

INPUTS = ("image1", "image2", "flow_gt_x64")


REDUCED = jax.jit(multiscale.reduced, static_argnums=(2, 3))


class Recipe(NamedTuple):
    """How a published training was set up, and bounds of what is compared (see `parity_train`)."""

    objectives: dict[str, str]  # prefix of the arrays -> name of the loss
    weight_decay: float
    grads: tuple[float, float]
    updates: tuple[float, float]
    head: float


RECIPES = {
    "pwcnet": Recipe(
        {"l2/": "pwcnet_l2", "robust/": "pwcnet_robust"}, 4e-4, (1e-2, 1e-1), (2e-2, 7e-2), 1.4e-3
    ),
    "flownet-s": Recipe({"": "flownet_l2"}, 0.0, (5e-3, 5e-3), (5e-3, 5e-3), 2e-6),
    "flownet-c": Recipe({"": "flownet_l2"}, 0.0, (5e-3, 5e-3), (5e-3, 5e-3), 2e-6),
}
FIXTURES = tuple((name, part) for name in RECIPES for part in "ab")
# One of 64 gradients is 5e-7, the others have a median of 5e-3: float32 does not decide its sign.
# Adam's first step knows little else, goes the other way here, and the bias's norm differs by 3e-4.
UNDECIDED = {("pwcnet", "b", "robust/"): "conv3_3.0.bias"}
LOSS, TOTAL, PARAMS = (1e-5, 3e-4), (1e-3, 1e-3), 1e-4


def available() -> dict[str, tuple[str, str]]:
    """Returns fixture -> (network, part) of the files at hand."""
    files = {f"{published.FILES[name]}_train_{part}": (name, part) for name, part in FIXTURES}
    return {file: it for file, it in files.items() if (published.FULL / f"{file}.npz").is_file()}


class Recorder(tasks.OpticalFlow):
    """The task, which also reports the terms of the loss."""

    def loss(self, params, aux, batch, rng):
        out = super().loss(params, aux, batch, rng)
        levels = self.module.apply({"params": params}, batch["lq"]).levels
        chosen = multiscale.PUBLISHED[self.objective]
        each = jnp.stack(multiscale.terms(levels, batch["flow"], batch["valid"], chosen))
        return out._replace(metrics=out.metrics | {"terms": each})


def _noted(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    note = optax.GradientTransformation(
        lambda params: jax.tree.map(jnp.zeros_like, params), lambda grads, *_: (grads, grads)
    )
    return optax.chain(note, tx)


@functools.cache
def trainer(name: str, objective: str):
    """Returns (optimiser, compiled step) of a published training."""
    recipe = RECIPES[name]
    task = Recorder(published.module(name), objective=objective)
    biases = groups.Group(match=(".*/bias",), weight_decay=0.0)
    settings = optimizer.OptimizerConfig(
        1e-4, "adam", "constant", weight_decay=recipe.weight_decay, clip_norm=math.inf,
        groups=(biases,) if recipe.weight_decay else (),
    )  # fmt: skip
    opt = optimizer.make_optimizer(settings, 1000)
    opt = opt._replace(tx=_noted(opt.tx))
    return opt, jax.jit(step.make_step(task, opt))


def rows(name: str, part: str, prefixes: tuple[str, ...] | None = None) -> Iterator[Row]:
    """Yields a row for every array of a training fixture, or of some of its losses."""
    golden = published.arrays(f"{published.FILES[name]}_train_{part}")
    if name == "pwcnet":
        yield from targets(golden)
    for prefix, objective in RECIPES[name].objectives.items():
        if prefixes is not None and prefix not in prefixes:
            continue
        opt, update = trainer(name, objective)
        seed = parity_flownets.SEED[part]
        published_state = published.state_dict(name, seed)
        unused = {key: published_state[key] for key in published.names(name).get("unused", ())}
        variables = published.convert(name, published_state)
        state = states.create(variables, jax.random.key(0), opt)
        for number in (1, 2):
            new, metrics = update(state, _batch(golden))
            for key, (ours, bound, measure) in _figures(
                name, number, metrics, state, new, unused
            ).items():
                if prefix + key in golden:
                    pair = ours, golden[prefix + key]
                    if key.startswith("param_norms"):
                        kept = [n != UNDECIDED.get((name, part, prefix)) for n in _paths(name)]
                        pair = tuple(norms[kept] for norms in pair)
                    yield Row(prefix + key, *pair, bound, measure)
            state = new


def targets(golden) -> Iterator[Row]:
    batch = _batch(golden)
    for level in (6, 5, 4, 3, 2):
        key = next(k for k in golden if k.startswith(f"target{level}"))
        ours, _ = REDUCED(batch["flow"], batch["valid"], level, "triangle")
        suffix = key.removeprefix(f"target{level}")
        yield Row(key, parity_flownets.sparse(suffix, ours[:, 0]), golden[key], 1e-5)


def _batch(golden) -> dict[str, Any]:
    flow = golden["flow_gt_x64"][:, None].astype(np.float32) / 64
    batch = {"lq": published.frames(golden), "flow": flow, "valid": np.ones(flow.shape[:-1], bool)}
    return jax.tree.map(jnp.asarray, batch)


def _figures(name, number, metrics, old, new, unused):
    """Returns the fixture's name -> (value, tolerance, measure) of one step."""
    recipe, i = RECIPES[name], number - 1
    grads = engine.flatten(jax.device_get(new.opt_state[0]))
    before, after = (engine.flatten(jax.device_get(s.params)) for s in (old, new))
    change = {path: after[path].astype(np.float64) - before[path] for path in after}
    figures = {
        "loss_step": (metrics["loss"], LOSS[i], "relative"),
        "epe_weighted_step": (metrics["loss"], LOSS[i], "relative"),
        "level_terms_step": (metrics["terms"], LOSS[i], "relative"),
        "lr_step": (metrics["lr"], 1e-6, "relative"),
        "total_grad_norm_step": (metrics["grad_norm"], TOTAL[i], "relative"),
        "grad_norms_step": (_norms(name, grads), recipe.grads[i], "relative"),
        "update_norms_step": (_norms(name, change), recipe.updates[i], "relative"),
        "param_norms_after_step": (_norms(name, after, unused), PARAMS, "relative"),
    }
    figures = {f"{key}{number}": figure for key, figure in figures.items()}
    if number == 1:
        figures["grad_head8"] = _heads(name, grads), recipe.head, "absolute"
    return figures


@functools.cache
def _paths(name: str) -> dict[str, tuple[str, Any] | None]:
    """Returns published name -> our path and layout, None of layers that never run."""
    table = published.table(name)
    known = published.names(name)
    rules = {key: engine._place(key, table.RULES) for key in known["named_parameters"]}
    return {
        key: None if key in (known.get("unused") or ()) else (path.removeprefix("params/"), layout)
        for key, (path, layout) in rules.items()
    }


def _norms(name: str, tree, unused=None) -> np.ndarray:
    """Returns the norm of every parameter; of layers that never run that of `unused`, or 0."""
    arrays = [
        tree[at[0]] if at else (unused or {}).get(key, np.zeros(1))
        for key, at in _paths(name).items()
    ]
    return np.array([np.linalg.norm(array.astype(np.float64)) for array in arrays])


def _heads(name: str, tree) -> np.ndarray:
    """Returns the first eight entries of every gradient in the published order of axes."""
    heads = []
    for at in _paths(name).values():
        flat = np.zeros(8, np.float32)
        if at:
            path, layout = at
            marks = np.arange(tree[path].size).reshape(_published_shape(tree[path].shape, layout))
            order = np.empty(marks.size, int)
            order[np.ascontiguousarray(layout(marks)).ravel()] = np.arange(marks.size)
            first = order[:8]
            flat[: len(first)] = tree[path].ravel()[first]
        heads.append(flat)
    return np.stack(heads)


def _published_shape(shape, layout) -> tuple[int, ...]:
    """Returns the published shape of an array of ours: layouts only permute axes."""
    if len(shape) < 4:
        return shape
    places = layout(np.empty((1, 2, 3, 4))).shape  # our axis i is the published axis places[i] - 1
    found = [0] * 4
    for ours, place in enumerate(places):
        found[place - 1] = shape[ours]
    return tuple(found)
