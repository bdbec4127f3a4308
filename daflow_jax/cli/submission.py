"""`daflow eval --submission`: a model's flow of test frames as the benchmarks' servers take it."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daflow_jax import DEFAULT_MODEL, errors
from daflow_jax.cli import console, options

_LAYOUTS = {"kitti": ("kitti2015", "kitti2012"), "sintel": ("sintel",)}
_NEXT = {
    "kitti2015": "zip -r submission.zip flow",
    "kitti2012": "zip submission.zip *.png",
    "sintel": "bundler clean final submission.lzma (the program in MPI-Sintel-complete.zip)",
}


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing OUT/submission and OUT/submission.json."""
    from daflow_jax import datasets
    from daflow_jax.io import atomic

    _check(args)
    name = _layout(args)
    clips = [clip for root in args.pairs for clip in datasets.list_clips(root, name)]
    if ":" not in name:
        clips = [clip for clip in clips if clip.split.startswith("test")]
    if not clips:
        raise errors.UserError(args.pairs[0], "holds no test frames", "Download the test part")
    layout = datasets.get(name.partition(":")[0])
    options.start(args)
    talk = console.Console(args.quiet)
    model = options.load(args, (args.model or [DEFAULT_MODEL])[0], talk.note)
    estimator = model.estimator(args.iters, False, args.denoise_steps, args.tap_step)
    written, lost, failures = 0, 0, []
    with console.Progress(talk, "submission", "clips", len(clips[: args.limit])) as progress:
        for clip in clips[: args.limit]:
            try:
                for path, flow in _flows(clip, estimator, args.init == "warm"):
                    lost += _write(Path(args.out) / "submission" / path, flow)
                    written += 1
            except errors.UserError as error:
                if error.code == 3:
                    raise
                print(f"daflow: error: {error}", file=sys.stderr)
                failures.append({"clip": clip.name, "error": str(error)})
            progress.step()
    wanted = _wanted(layout, {clip.split for clip in clips})
    summary = {
        **_head(args, layout.name, model),
        "flows": written,
        "published_flows": wanted,
        "complete": written == wanted,
        "pixels_out_of_range": lost,
        "failures": failures,
    }
    atomic.write_text(Path(args.out) / "submission.json", json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary) if args.json else _text(args, layout.name, summary))
    return 5 if failures else 0


def _check(args):
    given = [
        name for name in ("baseline", "predictions", "degrade", "no_clean", "max_epe")
        if getattr(args, name)
    ]  # fmt: skip
    if given:
        option = "--" + given[0].replace("_", "-")
        rule = "has no meaning where no true flow is known"
        raise errors.UserError(option, rule, "Leave it out with --submission")
    if len(args.model or []) > 1:
        rule = f"{len(args.model)} models; a submission is of one"
        raise errors.UserError("--model", rule, "Name one, with an --out of its own")


def _layout(args) -> str:
    known = _LAYOUTS[args.submission]
    if args.layout == "pairs":
        return known[0]
    from daflow_jax import datasets

    if datasets.get(args.layout.partition(":")[0]).name not in known:
        rule = f"is no layout of --submission {args.submission}"
        raise errors.UserError(f"--layout {args.layout}", rule, f"Use {' or '.join(known)}")
    return args.layout


def _flows(clip, estimator, warm: bool) -> Iterator[tuple[Path, Any]]:
    """Yields the path below the submission's root and the flow of every pair of a clip."""
    from daflow_jax.predict import Stream

    clip.check()
    results = Stream(estimator, clip.pictures(), warm_start=warm, where=clip.name)
    for first, result in zip(clip.frames, results, strict=False):
        yield _place(clip, first), result.flow


def _place(clip, first: Path) -> Path:
    """Returns RENDER/SCENE/frame_0001.flo of Sintel, flow/000000_10.png of KITTI 2015 or, of
    KITTI 2012, 000000_10.png alone."""
    if clip.dataset.startswith("sintel-"):
        return Path(clip.dataset.removeprefix("sintel-")) / first.parent.name / f"{first.stem}.flo"
    return Path("flow" if clip.dataset == "kitti2015" else "") / f"{first.stem}.png"


def _write(path: Path, flow) -> int:
    from daflow_jax.io import flow as flow_files

    return flow_files.write_flow(path, flow)


def _wanted(layout, splits) -> int:
    counts = [layout.counts[split] for split in splits]
    return sum((count.frames or 0) - count.clips for count in counts)


def _head(args, layout: str, model) -> dict[str, Any]:
    from daflow_jax.cli import results

    return {
        "schema": 1,
        "command": " ".join(["daflow", *sys.argv[1:]]),
        "date": results.now(),
        "benchmark": layout,
        "model": {
            "name": model.name,
            "sha256": model.meta.get("sha256"),
            "iters": args.iters or model.iters,
            "scales": list(model.scales),
            "init": args.init,
            "precision": model.precision,
            "seed": model.seed,
        },
        "environment": results.environment(args.device),
    }


def _text(args, layout: str, summary: dict[str, Any]) -> str:
    folder = Path(args.out) / "submission"
    whole = f"of {summary['published_flows']}"
    lines = [f"{folder}: {summary['flows']} flows {whole}, {_NEXT[layout]}"]
    if summary["pixels_out_of_range"]:
        lines.append(f"{summary['pixels_out_of_range']} pixels beyond 512 px are marked invalid")
    return "\n".join(lines)
