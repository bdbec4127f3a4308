"""Flow judged by its use: segmenters that learn from the flow of degraded clips.

    python -m studies.motion_segments runs/motion_segments --flow raft-small=models/raft-small
    python -m studies.motion_segments runs/motion_segments --flow raft-small=models/raft-small \\
        --docs docs/motion_segments.md    # and a picture beside it

The same U-Net learns Guess What Moves' task on the same clips at severities 0, 3 and 5, from true
flow, from the shipped model's and from those of every --flow NAME=DIR, and from flow of other clips
("shuffled", the control). Flow is estimated once per method and severity, from the degraded frames
that the segmenter sees. The segmenter is then judged on new clips of the same severity, of which it
sees single frames. What is done is kept: the same command goes on.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

from daflow_jax import DEFAULT_MODEL, api, errors, experiment, viz
from daflow_jax.experiment import config_file
from daflow_jax.io import atomic, image
from daflow_jax.outputs import mask_files
from daflow_jax.synthetic import scene
from daflow_jax.train import loop
from studies import kept_clips, page

CONFIG = "configs/guess_what_moves/nano.py"
SEVERITIES = (0, 3, 5)
SCORES = ("iou", "iou_merged", "iou_objects", "ari", "ari_objects")
SHOWN = (3, 5, 11)  # held-out clips of the picture
TRUTH, CONTROL = "true", "shuffled"


def cell(folder: Path, clips: str, method: str, seed: int, args: argparse.Namespace) -> dict:
    """Returns the scores of one training, which goes on where it was."""
    steps = args.steps
    config = config_file.read(CONFIG, [f"--config.train.steps={steps}", f"--config.seed={seed}"])
    config["data"]["name"] = clips
    config["task"]["frames"] = "lq"
    config["task"]["flow_from"] = "shuffled" if method == CONTROL else "batch"
    config["train"]["batch_size"] = args.batch
    config["eval"]["every"], config["eval"]["batches"] = 0, max(args.judged // args.batch, 1)
    config["log"]["tensorboard"] = False
    if loop.train(experiment.build(config, jax.devices()[:1]), folder):
        raise KeyboardInterrupt  # stopped by a signal, after saving
    file = folder / "eval" / f"step_{steps:09d}.json"
    values = json.loads(file.read_text())
    return next(value for key, value in values.items() if key != "step")


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after every cell has its result in RESULTS.json."""
    out = args.out
    given = dict(_named(text) for text in args.flow)
    given[Path(args.shipped).name] = args.shipped
    methods = [TRUTH, *given, CONTROL]
    results = _results(out)
    for severity in args.severities:
        train = _clips(args, severity, args.clips, 0)
        test = _clips(args, severity, args.judged, scene.EVAL_SEED)
        for method in methods:
            learned = (train,)
            if method in given:
                model = api.load(given[method], "flow")
                learned += (kept_clips.estimated(train, method, model),)
            name = kept_clips.source(f"{method}_{severity}", learned, test)
            for seed in range(args.seeds):
                key = f"{method}/{severity}/{seed}"
                if key in results:
                    continue
                print(key, file=sys.stderr, flush=True)
                found = cell(out / key, name, method, seed, args)
                results[key] = {score: found[score] for score in ("loss", *SCORES)}
                atomic.write_text(out / "RESULTS.json", json.dumps(results, indent=1))
    page.publish(table(results), out, args.docs, "segments")
    if args.docs:
        image.write_image(args.docs.with_suffix(".jpg"), picture(args, methods))
    return 0


def _clips(args: argparse.Namespace, severity: int, count: int, seed: int) -> Path:
    scenes = scene.SceneConfig(**dict(config_file.read(CONFIG)["data"]["scene"]))
    return kept_clips.generated(args.out / "clips", severity, count, scenes, seed)


def picture(args: argparse.Namespace, methods: list[str]) -> np.ndarray:
    """Returns a row for each severity: a held-out frame, its objects, and the masks that the first
    seed of every method finds in that frame alone.
    """
    rows = []
    for severity, clip in zip(args.severities, SHOWN, strict=False):
        with np.load(_clips(args, severity, args.judged, scene.EVAL_SEED)) as clips:
            frame, objects = clips["lq"][clip][0], clips["instances"][clip][0]
        row = [frame, viz.labels_overlay(frame, objects)]
        for method in methods:
            model = api.load(args.out / f"{method}/{severity}/0/export/last")
            numbers = mask_files.by_area(model, [frame])
            row.append(viz.labels_overlay(frame, numbers[model(frame[None])[0].argmax(-1)]))
        rows.append([np.repeat(np.repeat(tile, 2, 0), 2, 1) for tile in row])
    return viz.sheet(rows)


def _named(text: str) -> tuple[str, str]:
    name, _, place = text.partition("=")
    if not name or not place or "/" in name:
        raise errors.UserError(f"--flow {text}", "is not NAME=DIR", "Name a model folder")
    return name, place


def _results(out: Path) -> dict[str, Any]:
    file = out / "RESULTS.json"
    return json.loads(file.read_text()) if file.is_file() else {}


def table(results: dict[str, dict[str, float]]) -> str:
    """Returns one line per source of flow: mean and spread over seeds of the foreground IoU and
    of ARI, at every severity.
    """
    cells: dict[str, dict[int, list[dict[str, float]]]] = {}
    for key, value in results.items():
        method, severity, _ = key.split("/")
        cells.setdefault(method, {}).setdefault(int(severity), []).append(value)
    severities = sorted({severity for found in cells.values() for severity in found})
    head = ["flow", *(f"severity {s}: {name}" for s in severities for name in ("IoU", "ARI"))]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for method, found in cells.items():
        row = [method]
        for severity in severities:
            for name in ("iou", "ari"):
                values = [value[name] for value in found.get(severity, [])]
                spread = f" ± {np.std(values):.3f}" if len(values) > 1 else ""
                row.append(f"{np.mean(values):.3f}{spread}" if values else "")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("out", type=Path)
    parser.add_argument("--flow", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--shipped", default=DEFAULT_MODEL, help="the model that ships")
    parser.add_argument("--severities", type=int, nargs="+", default=list(SEVERITIES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--clips", type=int, default=1024, help="to learn from")
    parser.add_argument("--judged", type=int, default=128, help="clips to be judged on")
    parser.add_argument("--docs", type=page.path, help="page to write")
    try:
        return run(parser.parse_args())
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code


if __name__ == "__main__":
    sys.exit(main())
