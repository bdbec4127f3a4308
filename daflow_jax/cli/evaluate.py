"""`daflow eval`: errors of methods on pairs with true flow, clean and degraded."""

import argparse
import hashlib
import json
import sys
from pathlib import Path

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
            "are means of pairs per data set, then over data sets; intervals are a 95 % bootstrap "
            "over clips. With clean and degraded frames R is the distance between both estimates "
            "(RobustSpring). --submission writes the files that a benchmark's server takes."
        ),
        **options.examples(
            "daflow eval pairs --baseline zero,dis,farneback --degrade calibration:3,h264:4",
            "daflow eval MPI-Sintel --layout sintel:final --predictions daflow_out --limit 10",
            "daflow eval MPI-Sintel --submission sintel --model raft --iters 32 --init warm",
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
    parser.add_argument(
        "--submission",
        choices=("kitti", "sintel"),
        help="write flow of the test frames as that benchmark takes it; no errors are known",
    )
    parser.add_argument(
        "--init", choices=("zero", "warm"), default="zero", help="start of each pair (zero)"
    )
    parser.add_argument("--max-epe", type=float, metavar="PX", help="exit 4 if the first is worse")
    parser.add_argument(
        "--min-epe-drop",
        type=float,
        metavar="SHARE",
        help="exit 4 unless the first method's EPE is this share below the second's",
    )


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing results."""
    from daflow_jax.cli import degradations as degraded
    from daflow_jax.cli import results, submission

    if args.submission:
        return submission.run(args)
    if args.init == "warm":
        rule = "pairs do not follow each other"
        raise errors.UserError("--init warm", rule, "Use it with --submission sintel")
    degradations = degraded.parse(args.degrade, clean=not args.no_clean)
    pairs = read_pairs(args)
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
    scores = _scores(rows, methods, degradations, args.seed)
    summary = _summary(args, methods, scores, rows, digest, failures)
    table = results.table(scores)
    results.write(Path(args.out), summary, rows, table)
    if args.worst:
        _worst_pictures(args, pairs, rows, methods[0], degradations)
    print(json.dumps(summary) if args.json else table)
    return _verdict(args, methods, scores) or (5 if failures else 0)


def read_pairs(args):
    """Returns the entries that PAIRS, --layout and --limit name."""
    from daflow_jax import datasets
    from daflow_jax.datasets import pairs_folder as pairs

    if args.layout == "pairs":
        found = [pair for folder in args.pairs for pair in pairs.read_pairs(folder)]
    else:
        found = [pair for folder in args.pairs for pair in datasets.read_pairs(folder, args.layout)]
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
                rows += measure_pair(pair, methods, degradations, args.seed, digest)
            except errors.UserError as error:
                if error.code == 3:
                    raise
                print(f"daflow: error: {error}", file=sys.stderr)
                failures.append({"pair": pair.name, "error": str(error)})
            progress.step()
    return rows, digest.hexdigest(), failures


def measure_pair(pair, methods, degradations, seed, digest):
    """Returns a row per degradation and method, with "sums" for `measure.summary`.

    `digest` (hashlib) is fed the frames and the truth. A pair that is damaged or without a valid
    pixel is a `UserError`.
    """
    from daflow_jax.cli import degradations as degraded
    from daflow_jax.cli import measure, ranking

    truth, rows, clean_flow = pair.load(), [], {}
    if not truth.valid.any():
        remedy = "Mend it or leave the pair out"
        raise errors.UserError(pair.name, "no pixel has a valid true flow", remedy)
    clean = np.stack([truth.frame1, truth.frame2])
    for array in (clean, truth.flow, truth.valid):
        digest.update(np.ascontiguousarray(array))
    seed = degraded.pair_seed(pair, seed)
    beside = pair.neighbour() if any(method.window > 2 for method in methods) else None
    for degradation in degradations:
        frames, third = _seen(degradation, clean, beside, seed, truth.flow)
        for method in methods:
            flow, unsure = method.estimate(frames[0], frames[1], pair, third)
            sums = measure.pair_sums(flow, *truth[2:])
            curves = ranking.of_pair(flow, truth.flow, truth.valid, unsure)
            if degradation.recipe == "clean":
                clean_flow[method.name] = flow
            elif method.looks and method.name in clean_flow:
                sums |= measure.distance_sums(flow, clean_flow[method.name])
            rows.append(
                {
                    "dataset": pair.dataset,
                    "name": pair.name,
                    "clip": pair.group,
                    "method": method.name,
                    "degradation": str(degradation),
                    "seed": seed,
                    "frames": 2 if third is None else min(method.window, 3),
                    "pixels": sums["epe"][1],
                    **{key: measure.ratio(value) for key, value in sums.items()},
                    "ause": None if curves is None else curves["ause"],
                    "seconds": round(method.seconds[-1], 4),
                    "sums": sums,
                    "sparsification": curves,
                }
            )
    return rows


def estimate(pair, truth, method, degradation, seed):
    """Returns the frames (2, h, w, 3) that the method sees of a loaded pair, and its flow."""
    clean = np.stack([truth.frame1, truth.frame2])
    beside = pair.neighbour() if method.window > 2 else None
    frames, third = _seen(degradation, clean, beside, seed, truth.flow)
    return frames, method(frames[0], frames[1], pair, third)


def _seen(degradation, clean, beside, seed, flow):
    """Returns the two frames that all methods see, and the third for those that want one."""
    frames = degradation.apply(clean, seed, flow)
    if beside is None:
        return frames, None
    third = degradation.third(clean, beside.frame, seed, flow)
    return frames, beside._replace(frame=third)


def _scores(rows, methods, degradations, seed):
    from daflow_jax.cli import measure

    def select(degradation, method):
        names = (str(degradation), method.name)
        return [row for row in rows if (row["degradation"], row["method"]) == names]

    def score(degradation, method):
        own = select(degradation, method)
        scores = measure.summary(own, seed)
        if method is methods[0]:
            return scores
        above = measure.difference(own, select(degradation, methods[0]), seed)
        return {**scores, "epe_above_first": above}

    return {str(d): {method.name: score(d, method) for method in methods} for d in degradations}


def _summary(args, methods, scores, rows, digest, failures):
    from daflow_jax.cli import measure, results

    def block(method):
        thirds = {r["name"] for r in rows if r["method"] == method.name and r["frames"] > 2}
        entries = []
        for name, by_method in scores.items():
            recipe, _, level = name.partition(":")
            head = {"recipe": recipe, "level": float(level or 0)}
            entries.append({**head, **by_method[method.name]})
        return {
            "model": {**method.record, "name": method.name},
            "degradation": entries,
            "robustness": measure.over_degradations(entries),
            "pairs_with_third_frame": len(thirds),
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
        frames, flow = estimate(pair, truth, method, by_text[row["degradation"]], row["seed"])
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
