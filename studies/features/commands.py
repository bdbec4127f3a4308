"""What the commands do: from words to runs, results and tables."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from daflow_jax import errors, models, pretrained
from daflow_jax.input_pipeline import settings
from daflow_jax.models import taps
from daflow_jax.synthetic import scene
from studies.features import evaluation, start, training
from studies.features import report as tables
from studies.features.arms import ARMS, Arm

FRAMES = 3  # of every clip, so that arms that read a third one see the same clips
KEYS = ("lq", "hq", "flow", "valid", "occlusion", "weight")


def train(args: argparse.Namespace) -> None:
    """Trains every arm for every seed, in turns, unless its gate is shut."""
    raft = pretrained.load(pretrained.resolve(args.raft))
    trunk = pretrained.load(pretrained.resolve(args.trunk)) if args.trunk else None
    for name in args.arms:
        _check(name, ARMS[name], raft, trunk)
    training.check_folder(args.out, _settings(args, raft))
    plan = training.Plan(args.seconds, args.steps, args.batch, args.iters, slice=args.slice)
    teacher = models.build(raft.config), {"params": raft.variables["params"], **_stats(raft)}
    for seed in args.seeds:
        runners = {}
        for name in args.arms:
            folder, arm = args.out / "arms" / f"{name}-{seed}", ARMS[name]
            if (folder / "done").exists() or _shut(args.out, name, arm, seed):
                continue
            first = start.write(
                args.out / "start" / name, arm, raft, trunk, data_of(args, 2**31 - 1)
            )
            data = data_of(args, 100 + seed)
            runners[name] = training.Runner(folder, arm, first, data, plan, teacher, _say)
        training.in_turns(runners)


def data_of(args: argparse.Namespace, seed: int) -> settings.DataConfig:
    """Returns the clips of a seed, the same for all arms."""
    height, width = args.size
    scenes = scene.SceneConfig(
        frames=FRAMES, height=height, width=width, max_shapes=9, max_motion=args.max_motion
    )
    degrade = settings.DegradeConfig(clean_share=args.clean_share)
    return settings.DataConfig(scene=scenes, degrade=degrade, seed=seed, keys=KEYS)


def evaluate(args: argparse.Namespace) -> None:
    """Measures every finished arm at every condition that is not measured yet."""
    conditions = evaluation.conditions(args.pairs, args.generated, args.size, args.severities)
    evaluation.run(args.out, conditions, _say)


def report(args: argparse.Namespace) -> None:
    """Prints the tables of an evaluation, and writes them to a page."""
    text, record = tables.make(args.out, tuple(args.exclude.split(",")))
    if args.docs:
        tables.write(args.docs, text, record)
    print(text)


def _say(text: str) -> None:
    print(text, flush=True)


def _check(name: str, arm: Arm, raft: Any, trunk: Any) -> None:
    config = start.config_of(arm, raft)
    if getattr(config, "trunk", None) is None:
        return
    if trunk is None:
        rule, remedy = "needs the weights of its trunk", "Add --trunk DIR, a converted restorer"
        raise errors.UserError(f"arm {name}", rule, remedy)
    taps.chosen(trunk.config, config.taps)
    taps.check_stride(trunk.config, config.shrink, config.stride)


def _settings(args: argparse.Namespace, raft: Any) -> dict[str, Any]:
    names = ("seconds", "steps", "batch", "size", "iters", "clean_share", "max_motion")
    own = {name: getattr(args, name) for name in names}
    if args.seconds:
        own.pop("steps")
    return {**own, "raft": raft.meta.get("sha256")}


def _stats(raft: Any) -> dict[str, Any]:
    return {name: tree for name, tree in raft.variables.items() if name != "params"}


def _shut(out: Path, name: str, arm: Arm, seed: int) -> bool:
    """Returns whether the arm's gate keeps it from being trained, after writing that down."""
    if arm.gate is None:
        return False
    gained = tables.gained(out, arm.gate)
    if gained is None:
        where, rule = f"arm {name}", f"its gate asks for {arm.gate.arm} and {arm.gate.than}"
        raise errors.UserError(where, rule, f"Train and evaluate both at seed {arm.gate.seed}")
    if gained >= arm.gate.by:
        return False
    line = {"arm": name, "seed": seed, "gate": dataclasses.asdict(arm)["gate"], "gained": gained}
    with open(out / "stopped.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    _say(f"{name}-{seed}: not trained, its gate is shut: {arm.gate.arm} gained {gained:.1%}")
    return True
