"""`daflow eval`: errors of methods on pairs with true flow, clean and degraded."""

import argparse
import hashlib
import json
import sys
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import errors
from daflow_jax.cli import console, options


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "eval",
        help="errors of models, baselines or stored flow on pairs with true flow",
        description=(
            "PAIRS is a folder DATASET/NAME/{frame1.png,frame2.png,flow.flo,meta.json}. Averages "
            "are means of pairs per data set, then over data sets."
        ),
        **options.examples(
            "daflow eval pairs --model daflow-nano --baseline zero,dis,farneback",
            "daflow eval pairs --baseline dis --degrade calibration:3,h264:4",
            "daflow eval MPI-Sintel --layout sintel:final --predictions daflow_out --limit 10",
        ),
    )
    parser.add_argument("pairs", nargs="+", metavar="PAIRS", help="folders of pairs")
    options.add_common(parser, "daflow_eval")
    options.add_model(parser, many=True)
    options.add_layout(parser, bucket=1)
    parser.add_argument(
        "--layout",
        default="pairs",
        metavar="NAME[:SPLIT]",
        help="of PAIRS: pairs, or a data set as its owner packs it: sintel, kitti, ...",
    )
    parser.add_argument("--baseline", default="", metavar="LIST", help="of zero,dis,farneback")
    parser.add_argument("--predictions", metavar="DIR", help="stored flow: DATASET/NAME.flo")
    parser.add_argument(
        "--degrade", default="", metavar="RECIPE:LEVEL,...", help="evaluate degraded frames as well"
    )
    parser.add_argument("--no-clean", action="store_true", help="degraded frames only")
    parser.add_argument("--limit", type=options.at_least(1), metavar="N", help="first N pairs only")
    parser.add_argument("--worst", type=options.at_least(0), default=3, help="pictures (3)")
    parser.add_argument("--max-epe", type=float, metavar="PX", help="exit 4 if the first is worse")
    parser.add_argument(
        "--min-epe-drop",
        type=float,
        metavar="SHARE",
        help="exit 4 unless the first method's EPE is this share below the second's",
    )


class Degradation(NamedTuple):
    """A named recipe at a level; "clean" has level 0."""

    recipe: str
    level: float

    def __str__(self) -> str:
        return self.recipe if self.recipe == "clean" else f"{self.recipe}:{self.level:g}"

    def apply(self, frames: np.ndarray, seed: int) -> np.ndarray:
        """Returns frames (f, h, w, 3) as the method sees them; uint8 unless clean."""
        if self.recipe == "clean":
            return frames
        from daflow_jax.degrade import pipeline

        if frames.dtype == np.uint16:
            frames = (frames >> 8).astype(np.uint8)
        recipe = pipeline.named(self.recipe, self.level, np.random.default_rng(seed))
        return pipeline.apply(recipe, frames)


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing results."""
    from daflow_jax.cli import results

    degradations = parse_degradations(args.degrade, clean=not args.no_clean)
    pairs = _pairs(args)
    options.start(args)
    talk = console.Console(args.quiet)
    methods = _methods(args, talk)
    if args.min_epe_drop is not None and len(methods) < 2:
        raise errors.UserError("--min-epe-drop", "needs a second method", "Add --baseline dis")
    rows, digest, failures = _evaluate(pairs, methods, degradations, args, talk)
    if not rows:
        raise errors.UserError(
            args.pairs[0], failures[0]["error"].rstrip("."), "No pair was usable"
        )
    scores = _scores(rows, methods, degradations)
    summary = _summary(args, methods, scores, rows, digest, failures)
    table = results.table(scores)
    results.write(Path(args.out), summary, rows, table)
    if args.worst:
        _worst_pictures(args, pairs, rows, methods[0], degradations)
    print(json.dumps(summary) if args.json else table)
    return _verdict(args, methods, scores) or (5 if failures else 0)


def parse_degradations(text: str, clean: bool = True) -> list[Degradation]:
    """Returns the degradations of "recipe:level,...", clean frames first if wanted."""
    from daflow_jax.degrade import pipeline

    found = [Degradation("clean", 0)] if clean else []
    for part in filter(None, text.split(",")):
        name, _, level = part.strip().partition(":")
        try:
            degradation = Degradation(name, float(level or 3))
        except ValueError:
            rule = f"{level!r} is no level"
            raise errors.UserError(f"--degrade {part}", rule, "Write RECIPE:LEVEL, 1..5") from None
        try:
            pipeline.named(*degradation, np.random.default_rng(0))
        except errors.UserError as error:
            raise errors.UserError(f"--degrade {part}", error.rule, error.remedy) from None
        found.append(degradation)
    if not found:
        raise errors.UserError("--no-clean", "leaves nothing to evaluate", "Add --degrade h264:3")
    return found


def _pairs(args):
    from daflow_jax import layouts
    from daflow_jax.io import pairs

    if args.layout == "pairs":
        found = [pair for folder in args.pairs for pair in pairs.read_pairs(folder)]
    else:
        found = [pair for folder in args.pairs for pair in layouts.read_pairs(folder, args.layout)]
    return found[: args.limit]


def _methods(args, talk):
    from daflow_jax.cli import methods

    found = [methods.of_predictions(args.predictions)] if args.predictions else []
    names = args.model or ([] if args.predictions or args.baseline else ["daflow-nano"])
    for name in names:
        model = options.load(args, name, talk.note)
        found.append(methods.of_model(model, args.iters, args.denoise_steps, args.tap_step))
    found += [methods.of_baseline(name) for name in filter(None, args.baseline.split(","))]
    seen: dict[str, int] = {}
    for method in found:
        seen[method.name] = seen.get(method.name, 0) + 1
        if seen[method.name] > 1:
            method.name = f"{method.name}#{seen[method.name]}"
    return found


def _evaluate(pairs, methods, degradations, args, talk):
    """Returns a row per pair, method and degradation, the data's hash, the failed pairs."""
    rows, failures, digest = [], [], hashlib.sha256()
    with console.Progress(talk, "eval", "pairs", len(pairs)) as progress:
        for pair in pairs:
            try:
                rows += _one(pair, methods, degradations, args.seed, digest)
            except errors.UserError as error:
                if error.code == 3:
                    raise
                print(f"daflow: error: {error}", file=sys.stderr)
                failures.append({"pair": pair.name, "error": str(error)})
            progress.step()
    return rows, digest.hexdigest(), failures


def _one(pair, methods, degradations, seed, digest):
    from daflow_jax.cli import measure

    truth, rows = pair.load(), []
    if not truth.valid.any():
        remedy = "Mend it or leave the pair out"
        raise errors.UserError(pair.name, "no pixel has a valid true flow", remedy)
    clean = np.stack([truth.frame1, truth.frame2])
    for array in (clean, truth.flow, truth.valid):
        digest.update(np.ascontiguousarray(array))
    for degradation in degradations:
        frames = degradation.apply(clean, pair_seed(pair, seed))
        for method in methods:
            flow = method(frames[0], frames[1], pair)
            sums = measure.pair_sums(flow, truth.flow, truth.valid, truth.occluded)
            rows.append(
                {
                    "dataset": pair.dataset,
                    "name": pair.name,
                    "method": method.name,
                    "degradation": str(degradation),
                    "seed": pair_seed(pair, seed),
                    "pixels": sums["epe"][1],
                    **{key: measure.ratio(value) for key, value in sums.items()},
                    "seconds": round(method.seconds[-1], 4),
                    "sums": sums,
                }
            )
    return rows


def pair_seed(pair: Any, seed: int) -> int:
    """Returns the seed of a pair's degradation: of its name, not of its place in the list."""
    return zlib.crc32(f"{pair.name}/{seed}".encode())


def _scores(rows, methods, degradations):
    from daflow_jax.cli import measure

    def select(degradation, method):
        names = (str(degradation), method.name)
        return [row for row in rows if (row["degradation"], row["method"]) == names]

    return {
        str(d): {method.name: measure.summary(select(d, method)) for method in methods}
        for d in degradations
    }


def _summary(args, methods, scores, rows, digest, failures):
    from daflow_jax.cli import results

    def block(method):
        entries = []
        for name, by_method in scores.items():
            recipe, _, level = name.partition(":")
            head = {"recipe": recipe, "level": float(level or 0)}
            entries.append({**head, **by_method[method.name]})
        return {
            "model": {**method.record, "name": method.name},
            "degradation": entries,
            "speed": method.speed(),
        }

    first = {row["name"]: row["pixels"] for row in rows}
    data = {
        "name": ", ".join(args.pairs),
        "pairs": len(first),
        "sha256": digest,
        "pixels_valid": int(sum(first.values())),
    }
    return {
        "schema": 1,
        "command": " ".join(["daflow", *sys.argv[1:]]),
        "date": results.now(),
        **block(methods[0]),
        "data": data,
        "others": [block(method) for method in methods[1:]],
        "environment": results.environment(args.device),
        "failures": failures,
    }


def _worst_pictures(args, pairs, rows, method, degradations):
    """Writes the frames, truth, estimate and error of the pairs with the largest errors."""
    from daflow_jax.cli import pictures

    own = [row for row in rows if row["method"] == method.name]
    by_name = {pair.name: pair for pair in pairs}
    by_text = {str(d): d for d in degradations}
    worst = sorted(own, key=lambda row: -row["epe"])[: args.worst]
    for rank, row in enumerate(worst, 1):
        pair = by_name[row["name"]]
        truth = pair.load()
        clean = np.stack([truth.frame1, truth.frame2])
        frames = by_text[row["degradation"]].apply(clean, row["seed"])
        flow = method(frames[0], frames[1], pair)
        label = f"{row['name']}_{row['degradation']}".replace(":", "").replace("/", "_")
        file = Path(args.out) / "worst" / f"{rank}_{label}.png"
        pictures.write_comparison(file, frames, truth, flow)


def _verdict(args, methods, scores):
    """Returns 4 after naming the first threshold that failed, else 0."""
    first = methods[0].name
    for degradation, by_method in scores.items():
        epe = by_method[first]["epe"]["per_image"]
        if args.max_epe is not None and epe > args.max_epe:
            return _failed(f"{degradation}: EPE of {first} is {epe:.3f}, above {args.max_epe:g}")
        if args.min_epe_drop is not None:
            other = by_method[methods[1].name]["epe"]["per_image"]
            if epe > (1 - args.min_epe_drop) * other:
                share = 1 - epe / other if other else 0.0
                return _failed(
                    f"{degradation}: {first} is {share:.1%} below {methods[1].name}, "
                    f"less than {args.min_epe_drop:.1%}"
                )
    return 0


def _failed(text):
    print(f"daflow: threshold failed: {text}.", file=sys.stderr)
    return 4
