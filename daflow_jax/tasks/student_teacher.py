"""What tasks share in which a student learns from a teacher that follows it (BYOL's form).

Their parameters are by part, {"encoder": ..., "projector": ...}. `aux` holds "batch_stats" by part,
the "teacher"'s parameters (float32) and its own "teacher_stats", and {"updates": {"count": ...}}.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from daflow_jax import precision
from daflow_jax.ops import moving_average
from daflow_jax.tasks import base

ENCODER = "encoder"  # the part that is exported
Tree = Any


def under(network: Any, module: Any) -> Any:
    """Returns a head under the policy of precision of `network`, if that has one."""
    if not isinstance(network, precision.Bound):
        return module
    policy = dataclasses.replace(network.policy, float32=())
    return precision.Bound(module.clone(dtype=policy.compute), policy)


def start(rng: jax.Array, parts: Mapping[str, tuple[Any, Sequence[Any]]]) -> dict[str, Tree]:
    """Returns the variables of parts {name: (network, arguments of its call)}, by collection."""
    out: dict[str, Tree] = {}
    for number, (name, (network, args)) in enumerate(parts.items()):
        made = network.init(jax.random.fold_in(rng, number), *args)
        for collection, tree in made.items():
            out.setdefault(collection, {})[name] = tree
    return out


def with_teacher(variables: dict[str, Tree], parts: Sequence[str]) -> dict[str, Tree]:
    """Returns the variables and a teacher of these parts, equal to the student."""
    copied = jax.tree.map(lambda x: jnp.array(x, jnp.float32, copy=True), dict(variables))
    teacher = {name: copied["params"][name] for name in parts}
    own = {name: copied["batch_stats"][name] for name in parts if name in _stats(copied)}
    variables = {**variables, "teacher": teacher, "updates": {"count": jnp.int32(0)}}
    return variables | ({"teacher_stats": own} if own else {})


def _stats(aux: Mapping[str, Tree]) -> Mapping[str, Tree]:
    return aux.get("batch_stats", {})


class Parts:
    """Parameters and batch statistics of a student or teacher during a step.

    Calls in training mode change `stats`; put them into the new `aux` afterwards.
    """

    def __init__(self, params: Mapping[str, Tree], stats: Mapping[str, Tree], train: bool):
        self.params, self.stats, self.train = params, dict(stats), train

    def __call__(self, part: str, network: Any, *args: Any, **options: Any) -> Any:
        """Returns what `network` gives with the variables of a part."""
        variables = {"params": self.params[part]}
        if part in self.stats:
            variables["batch_stats"] = self.stats[part]
        if not self.train or part not in self.stats:
            return network.apply(variables, *args, train=self.train, **options)
        out, new = network.apply(variables, *args, train=True, mutable=["batch_stats"], **options)
        self.stats[part] = new["batch_stats"]
        return out


class StudentTeacher(base.BaseTask):
    """A task around such a pair, whose fields `momentum` and `momentum_steps` say how much of the
    teacher stays at a step, and how long until all of it does (0: it is constant).
    """

    momentum: float
    momentum_steps: int
    # published code moves the teacher at the start of a step, with that step's momentum; here it is
    # moved at the end of the step before
    momentum_ahead = 1

    def pair(self, params: Tree, aux: Tree, train: bool) -> tuple[Parts, Parts]:
        """Returns student and teacher. Before the first update the teacher is the student: weights
        that a run starts from (`checkpoint.init_from`) reach it that way.
        """
        new = aux["updates"]["count"] == 0
        own = {name: params[name] for name in aux["teacher"]}
        pick = lambda old, now: jnp.where(new, now.astype(old.dtype), old)  # noqa: E731
        teacher = jax.lax.stop_gradient(jax.tree.map(pick, aux["teacher"], own))
        stats = _stats(aux)
        theirs = aux.get("teacher_stats", {})
        theirs = jax.tree.map(pick, theirs, {name: stats[name] for name in theirs})
        return Parts(params, stats, train), Parts(teacher, theirs, train)

    def moved(self, aux: Tree, student: Parts, teacher: Parts) -> Tree:
        """Returns `aux` with the teacher and the statistics that a step has used."""
        found = {"batch_stats": student.stats, "teacher_stats": teacher.stats}
        found = {name: tree for name, tree in found.items() if name in aux}
        return {**aux, "teacher": teacher.params, **found}

    def update_aux(self, aux, params, step):
        """Returns `aux` with a teacher that has followed the parameters."""
        later = step + self.momentum_ahead
        keep = moving_average.momentum(later, self.momentum, self.momentum_steps)
        own = {name: params[name] for name in aux["teacher"]}
        teacher = moving_average.follow(aux["teacher"], own, keep)
        return {**aux, "teacher": teacher, "updates": {"count": aux["updates"]["count"] + 1}}

    def exported(self, params, aux):
        """Returns the student's encoder, and the teacher's as "teacher"."""
        out = {}
        for name, trees, stats in (
            ("", params, _stats(aux)),
            ("teacher", aux["teacher"], aux.get("teacher_stats", {})),
        ):
            out[name] = {"params": trees[ENCODER]}
            if ENCODER in stats:
                out[name]["batch_stats"] = stats[ENCODER]
        return out
