"""A fair comparison of flow networks on degraded clips: RAFT*, its controls, and DA-Flow.

    python -m studies.comparison train OUT --raft models/raft-small
    python -m studies.comparison eval OUT PAIRS... --raft models/raft-small --severities 3,5
    python -m studies.comparison report OUT --docs docs/comparison.md

`train` makes the backbones one after the other, then every arm for every seed, all of them from the
same published RAFT (DA-Flow equals it at the start), on the same clips, steps and iterations;
without --raft all start from random weights. Each is a run of train.py with a log beside it: the
same command again goes on where it was stopped, on any machine that has OUT, and finished runs are
not repeated. `studies.comparison_report` reads what it leaves.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from daflow_jax import errors
from studies import comparison_report, widen

ROOT = Path(__file__).parents[1]


class Backbone(NamedTuple):
    """A stage that trains a restorer: a config, the stage that it starts from, what is changed."""

    config: str
    start: str
    changes: Mapping[str, object]


class Arm(NamedTuple):
    """A flow network of the comparison.

    backbone: of DA-Flow, None for a RAFT, "" for a random one. wide: with widened encoders.
    """

    text: str
    backbone: str | None = None
    changes: Mapping[str, object] = {}  # noqa: RUF012
    wide: bool = False


MATCHING = {
    "task.match": 0.3,
    "task.copy": 1.0,
    "task.first_step_share": 0.5,
    "data.keys": ("lq", "hq", "flow", "valid", "occlusion", "weight"),
}
BACKBONES = {
    "restore": Backbone("restore", "", {}),
    "lifted": Backbone("lift", "restore", {}),
    "matched": Backbone("lift", "lifted", MATCHING),
}
UNLIFTED = {"model.backbone.dit.folded_blocks": "none"}
PRESETS = {  # names of restorer, RAFT and DA-Flow
    "nano": ("restorer-nano", "raft-small", "daflow-nano"),
    "small": ("restorer-small", "raft", "daflow-small"),
}
ARMS = {
    "raft-star": Arm("RAFT* (a)"),
    "raft-wide": Arm("RAFT*, encoders widened to DA-Flow's FLOPs (b)", wide=True),
    "daflow": Arm("DA-Flow, lifted restorer, frozen: the paper's recipe (c)", "lifted"),
    "random": Arm("DA-Flow on a random frozen backbone (d)", ""),
    "frame": Arm("DA-Flow, un-lifted restorer: attention within frames (e)", "restore", UNLIFTED),
    "matched": Arm("DA-Flow, lifted with copy and matching losses, frozen (g)", "matched"),
}


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code


def _arms() -> str:
    return "Arms: " + "; ".join(f"{name}: {arm.text}" for name, arm in ARMS.items())


def _parser():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(required=True)
    train = commands.add_parser("train", help="train what is not trained yet", epilog=_arms())
    train.set_defaults(run=run_train)
    train.add_argument("out", type=Path)
    train.add_argument("--preset", choices=PRESETS, default="nano", help="sizes (nano)")
    train.add_argument("--raft", default="", help="model folder of the preset's published RAFT")
    train.add_argument(
        "--backbone",
        type=_trained,
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="a trained restorer in place of the stage restore, lifted or matched",
    )
    train.add_argument("--seeds", type=_integers, default=(0, 1, 2), metavar="LIST")
    train.add_argument("--arms", type=_names, default=tuple(ARMS), metavar="LIST")
    train.add_argument("--steps", type=int, default=2000, help="of every arm (2000)")
    train.add_argument("--backbone-steps", type=int, default=4000, help="of each stage (4000)")
    train.add_argument("--batch", type=int, default=2, help="clips of three frames (2)")
    train.add_argument("--backbone-batch", type=int, default=4, help="clips (4)")
    train.add_argument("--size", type=_size, default=(192, 256), metavar="HxW")
    train.add_argument("--iters", type=int, default=12)
    train.add_argument("--source", choices=("host", "device"), default="host", help="of clips")
    comparison_report.add_commands(commands)
    return parser


def run_train(args: argparse.Namespace) -> None:
    """Trains the backbones that the arms need, then the arms."""
    backbones = dict(args.backbone)
    for arm in (ARMS[name] for name in args.arms):
        if arm.backbone:
            _backbone(arm.backbone, backbones, args)
    if any(ARMS[name].wide for name in args.arms):
        widen.to_match(args.out / "wide", args.raft, *PRESETS[args.preset][1:], args.size)
    for seed in args.seeds:
        for name in args.arms:
            _train_arm(name, seed, backbones, args)


def _backbone(name: str, backbones: dict[str, Path], args: argparse.Namespace) -> Path:
    """Returns where the restorer `name` is, after training it and what it starts from."""
    if name in backbones:
        return backbones[name]
    stage = BACKBONES[name]
    changes = {
        "model.name": PRESETS[args.preset][0],
        "train.steps": args.backbone_steps,
        "train.batch_size": args.backbone_batch,
        "eval.every": args.backbone_steps,
        "checkpoint.every": 50,
        "checkpoint.init_from": _backbone(stage.start, backbones, args) if stage.start else "",
        **_clips(args),
        **stage.changes,
    }
    backbones[name] = args.out / "backbones" / name
    _train(ROOT / f"configs/daflow/{stage.config}.py", backbones[name], changes)
    return backbones[name]


def _train_arm(name: str, seed: int, backbones: dict[str, Path], args: argparse.Namespace) -> None:
    arm = ARMS[name]
    raft = str(args.out / "wide") if arm.wide and args.raft else args.raft
    starts = [f"flow={raft}"] if raft else []
    if arm.backbone:
        starts.append(f"backbone={backbones[arm.backbone]}")
    is_raft = arm.backbone is None
    changes = {
        "model.name": PRESETS[args.preset][1 if is_raft else 2],
        "train.steps": args.steps,
        "train.batch_size": args.batch,
        "task.iters": args.iters,
        "optimizer.lr": 1e-4 if args.raft else 4e-4,
        "optimizer.weight_decay": 1e-5,
        "eval.every": args.steps,
        "checkpoint.every": 50,
        "checkpoint.init_from": raft if is_raft else ",".join(starts),
        "seed": 100 + seed,
        **_clips(args),
        **({"model.widths": widen.widths(args.out / "wide")} if arm.wide else {}),
        **arm.changes,
    }
    config = "raft/star" if is_raft else "daflow/flow"
    _train(ROOT / f"configs/{config}.py", args.out / "arms" / f"{name}-{seed}", changes)


def _clips(args: argparse.Namespace) -> dict[str, object]:
    height, width = args.size
    scene = {"frames": 3, "height": height, "width": width, "min_shapes": 2, "max_shapes": 9}
    return {
        **{f"data.scene.{key}": value for key, value in scene.items()},
        "data.source": args.source,
        "log.every": 25,
        "log.pictures_every": 0,
    }


def _train(config: Path, workdir: Path, changes: dict[str, object]) -> None:
    """Runs train.py to its end, unless it ended before."""
    if (workdir / "done").exists():
        return
    print(workdir, flush=True)
    words = [f"--config.{key}={value}" for key, value in changes.items()]
    command = [sys.executable, ROOT / "train.py", "--config", config, "--workdir", workdir, *words]
    workdir.parent.mkdir(parents=True, exist_ok=True)
    with open(workdir.with_suffix(".log"), "a", encoding="utf-8") as log:
        code = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
    if code:
        rule = f"train.py ended with code {code}"
        raise errors.UserError(workdir.with_suffix(".log"), rule, "Read its last lines", code)


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in ARMS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(ARMS)}")
    return names


def _trained(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if name not in BACKBONES or not folder:
        known = ", ".join(BACKBONES)
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=DIR with a name of {known}")
    return name, Path(folder)


def _size(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


if __name__ == "__main__":
    sys.exit(main())
