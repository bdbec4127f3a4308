"""What motion teaches: FlowE, PooDLe and DenseCL beside their controls, and DoRA's tracker.

    python -m studies.motion_features train OUT flowe        # trains every arm for every seed
    python -m studies.motion_features read OUT flowe         # reads the frozen features out
    python -m studies.motion_features report OUT flowe --docs docs/motion_features.md
    python -m studies.motion_features all OUT flowe          # the three in a row

    python -m studies.motion_features all OUT flowe --arms true --severity 5 \\
        --flow raft-small=models/raft-small    # flow judged by its use, on degraded frames

and the same with poodle and densecl; `python -m studies.motion_tubes OUT` is DoRA's. Every arm
learns as train.py does, from the same clips, and the same command goes on where it was stopped. The
readout is `evaluate.readout` on 200 labelled frames, three draws a seed, at pixels.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from daflow_jax import api, errors, experiment, viz
from daflow_jax.evaluate.readout import run as readouts
from daflow_jax.evaluate.readout import sets
from daflow_jax.experiment import config_file
from daflow_jax.io import atomic, image
from daflow_jax.synthetic import scene
from daflow_jax.train import loop
from studies import kept_clips, page

ROOT = Path(__file__).parents[1]
POOL_SEED = 1000  # [choice] of the clips to learn from; no readout has it
SHOWN = (0, 3, 5, 8)  # held-out frames of the picture
JUDGED = 64  # clips for the figures of training
METRICS = ("miou", "miou_small", "miou_large", "knn", "rank")
UNTRAINED = {"train.steps": 1, "optimizer.lr": 0.0, "optimizer.warmup_steps": 0}


class Arm(NamedTuple):
    """One row: what it is, and what it changes of the configuration."""

    text: str
    changes: Mapping[str, object] = {}  # noqa: RUF012


RANDOM = Arm("random encoder", UNTRAINED)
SYSTEMS: dict[str, dict[str, Arm]] = {
    "flowe": {
        "true": Arm("true flow"),
        "none": Arm("no flow (the same cell)", {"task.flow_from": "none"}),
        "shuffled": Arm("flow of another clip", {"task.flow_from": "shuffled"}),
        "published": Arm("order and sampler as published", {"task.order": "as_published"}),
        "unmasked": Arm("no mask of flow", {"task.validity": "none"}),
        "collapse": Arm("no predictor", {"task.predictor": False}),
        "random": RANDOM,
    },
    "poodle": {
        "poodle": Arm("dense and pooled"),
        "dense": Arm("dense alone (FlowE with the decoder)", {"task.pooled": 0.0}),
        "pooled": Arm("pooled alone", {"task.pooled": 1.0}),
        "place": Arm("crops without flow", {"task.crop_pairs": "place"}),
        "same": Arm("crops of one frame", {"task.crop_pairs": "same"}),
        "random": RANDOM,
    },
    "densecl": {
        "dense": Arm("DenseCL"),
        "global": Arm("global contrast alone (MoCo)", {"task.dense": 0.0}),
        "true": Arm("true cells as positives: the upper bound", {"task.pairing": "true"}),
        "chance": Arm("random cells as positives", {"task.pairing": "random"}),
        "random": RANDOM,
    },
}


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code."""
    args = _parser().parse_args(argv)
    args.flow = dict(args.flow)
    try:
        for name in ("train", "read", "report") if args.what == "all" else (args.what,):
            {"train": train, "read": read, "report": report}[name](args)
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("what", choices=("train", "read", "report", "all"))
    parser.add_argument("out", type=Path)
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--seeds", type=_integers, default=(0, 1, 2), metavar="LIST")
    parser.add_argument("--arms", type=lambda text: tuple(text.split(",")), metavar="LIST")
    parser.add_argument("--steps", type=int, default=4000, help="of every arm (4000)")
    parser.add_argument("--size", type=int, default=96, help="of frames, in pixels (96)")
    parser.add_argument("--batch", type=int, default=0, help="clips (the configuration's)")
    parser.add_argument("--clips", type=int, default=2048, help="to learn from (2048)")
    parser.add_argument("--severity", type=int, default=0, help="of all frames (0)")
    text = "a model folder; adds an arm with its flow of the frames as they are"
    parser.add_argument("--flow", type=_named, action="append", default=[], help=text)
    parser.add_argument("--labelled", type=int, default=200, help="frames of a draw (200)")
    parser.add_argument("--draws", type=int, default=3, help="draws of them (3)")
    parser.add_argument("--set", default="shapes", help="of evaluate.readout (shapes)")
    parser.add_argument("--docs", type=page.path, help="page to write; a picture beside it")
    return parser


def _named(text: str) -> tuple[str, str]:
    name, _, place = text.partition("=")
    if not name or not place or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=DIR. Name a model folder")
    return name, place


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _arms(args) -> dict[str, Arm]:
    arms = SYSTEMS[args.system]
    for name in args.arms or ():
        if name not in arms:
            raise errors.UserError(f"arm {name!r}", "is unknown", errors.nearest(name, arms))
    flows = {name: Arm(f"flow of {name}") for name in args.flow}
    return {name: arms[name] for name in args.arms or arms} | flows


def _runs(args):
    for seed in args.seeds:
        for name, arm in _arms(args).items():
            yield name, arm, seed, args.out / _part(args) / f"{name}-{seed}"


def _part(args) -> str:
    """Returns the name of a table: flowe, or flowe-5 of frames at severity 5."""
    return f"{args.system}-{args.severity}" if args.severity else args.system


def train(args) -> None:
    """Trains what is not trained yet."""
    for name, arm, seed, workdir in _runs(args):
        if (workdir / "done").exists():
            continue
        print(workdir, flush=True)
        changes = {
            "train.steps": args.steps,
            "task.momentum_steps": 0 if args.system == "densecl" else args.steps,
            "optimizer.warmup_steps": min(100, args.steps // 4),
            "data.scene.height": args.size,
            "data.scene.width": args.size,
            "seed": 100 + seed,
            "eval.every": 0,
            "log.every": 50,
            "log.tensorboard": False,
            **({"train.batch_size": args.batch} if args.batch else {}),
            **arm.changes,
        }
        words = [f"--config.{key}={value}" for key, value in changes.items()]
        config = config_file.read(str(ROOT / f"configs/{args.system}/nano.py"), words)
        config["data"]["name"] = _clips(args, name, config["data"]["scene"])
        if loop.train(experiment.build(config, jax.devices()[:1]), workdir):
            raise KeyboardInterrupt  # stopped by a signal, after saving


def _clips(args, name: str, scenes: Mapping[str, Any]) -> str:
    """Returns the name of the source of an arm's clips."""
    config = scene.SceneConfig(**scenes)
    folder = args.out / f"clips_{config.still_share:g}"
    file = kept_clips.generated(folder, args.severity, args.clips, config, POOL_SEED)
    judged = kept_clips.generated(folder, args.severity, JUDGED, config, scene.EVAL_SEED)
    learned = (file,)
    if name in args.flow:
        learned += (kept_clips.estimated(file, name, api.load(args.flow[name], "flow")),)
    return kept_clips.source(f"{folder.name}_{file.stem}_{name}", learned, judged)


def read(args) -> None:
    """Reads out what is trained and not read yet; one file a run."""
    for _, _, _, workdir in _runs(args):
        target = workdir / "readout.json"
        if target.exists() or not (workdir / "done").exists():
            continue
        print(target, flush=True)
        model = api.load(workdir / "export/last")
        few = dict(train=args.labelled, test=args.labelled, draws=args.draws)
        found = readouts.readout(model, _set(args), (args.size, args.size), **few)
        steps = sorted((workdir / "eval").glob("step_*.json"))
        trained = json.loads(steps[-1].read_text()) if steps else {}
        atomic.write_text(target, json.dumps({**found, "eval": trained}, indent=1) + "\n")


def _set(args) -> str:
    """Returns the name of the labelled frames, degraded like those that were learned from."""
    if not args.severity:
        return args.set
    name, make = f"{args.set}-{args.severity}", sets.get(args.set)

    def degraded(count: int, size: tuple[int, int], first: int) -> sets.Labelled:
        clean = make(count, size, first)
        frames = [
            kept_clips.degraded(frame[None], args.severity, [first + k, args.severity])[0]
            for k, frame in enumerate(clean.frames)
        ]
        return clean._replace(frames=np.stack(frames).astype(np.float32) / 255)

    if name not in sets.SETS:
        sets.register(name, degraded)
    return name


def report(args) -> None:
    """Writes the table and its figures: means over seeds of the means over draws."""
    rows: dict[str, dict[str, list[float]]] = {}
    for name, _, _, workdir in _runs(args):
        file = workdir / "readout.json"
        if not file.exists():
            continue
        found = json.loads(file.read_text())
        values = {key: float(np.nanmean(found[key])) for key in METRICS}
        for metrics in found["eval"].values():
            if isinstance(metrics, dict) and "right" in metrics:
                values["right"] = float(metrics["right"])
        for key, value in values.items():
            rows.setdefault(name, {}).setdefault(key, []).append(value)
    if not rows:
        raise errors.UserError(args.out / _part(args), "holds no readout", "Run `read` first")
    text = table(rows, _arms(args))
    atomic.write_text(args.out / _part(args) / "table.json", json.dumps(rows, indent=1) + "\n")
    page.publish(text, args.out / _part(args), args.docs, _part(args))
    if args.docs:
        file = args.docs.with_name(f"{args.docs.stem}_{_part(args)}.jpg")
        image.write_image(file, picture(args, list(rows)))


def picture(args, names: list[str]) -> np.ndarray:
    """Returns a row for each of some held-out frames: the frame, its classes, and those that the
    readout of every arm calls there, of the first seed.
    """
    held = sets.get(_set(args))(max(SHOWN) + 1, (args.size, args.size), 0)
    frames, classes = held.frames[list(SHOWN)], held.classes[list(SHOWN)]
    columns = [frames, [viz.labels_overlay(*pair) for pair in zip(frames, classes, strict=True)]]
    for name in names:
        model = api.load(args.out / _part(args) / f"{name}-{args.seeds[0]}" / "export/last")
        found = readouts.called(model, frames, _set(args), args.labelled, args.labelled)
        columns.append([viz.labels_overlay(*pair) for pair in zip(frames, found, strict=True)])
    twice = [[tile.repeat(2, 0).repeat(2, 1) for tile in row] for row in zip(*columns, strict=True)]
    return viz.sheet(twice)


def table(rows: Mapping[str, Mapping[str, list[float]]], arms: Mapping[str, Arm]) -> str:
    """Returns Markdown: mean and standard deviation over seeds, IoU and k-NN in per cent."""
    keys = [key for key in (*METRICS, "right") if any(key in row for row in rows.values())]
    lines = ["| arm | seeds | " + " | ".join(keys) + " |", "|---" * (2 + len(keys)) + "|"]
    for name, row in rows.items():
        cells = [_cell(row.get(key, []), 1 if key == "rank" else 100) for key in keys]
        count = max(len(values) for values in row.values())
        lines.append(f"| {arms[name].text} | {count} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: list[float], factor: int) -> str:
    if not values:
        return ""
    mean, spread = factor * np.mean(values), factor * np.std(values, ddof=len(values) > 1)
    return f"{mean:.1f} ± {spread:.1f}" if len(values) > 1 else f"{mean:.1f}"


if __name__ == "__main__":
    sys.exit(main())
