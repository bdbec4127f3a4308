"""A flow network's estimates for test frames, as the servers of benchmarks take them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from daflow_jax import errors
from daflow_jax.evaluate import records
from daflow_jax.evaluate.collect import Failure, Progress

LAYOUTS = {"kitti": ("kitti2015", "kitti2012"), "sintel": ("sintel",)}
NEXT = {  # what is left to do with the files
    "kitti2015": "zip -r submission.zip flow",
    "kitti2012": "zip submission.zip *.png",
    "sintel": "bundler clean final submission.lzma (the program in MPI-Sintel-complete.zip)",
}


def read_clips(roots: Sequence[str | Path], benchmark: str, layout: str = "auto") -> list[Any]:
    """Returns the clips of test frames below the folders of a data set.

    Args:
        benchmark: "kitti" or "sintel".
        layout: one of `LAYOUTS[benchmark]`, maybe with a split ("sintel:test"); "auto" is the
            first of them.

    Raises:
        UserError: another layout, or no test frames.
    """
    from daflow_jax import datasets

    known = LAYOUTS[benchmark]
    name = known[0] if layout == "auto" else layout
    if datasets.get(name.partition(":")[0]).name not in known:
        rule = f"is not a layout of the benchmark {benchmark}"
        raise errors.UserError(f"layout {name}", rule, f"Use {' or '.join(known)}")
    clips = [clip for root in roots for clip in datasets.list_clips(root, name)]
    if ":" not in name:
        clips = [clip for clip in clips if clip.split.startswith("test")]
    if not clips:
        raise errors.UserError(roots[0], "holds no test frames", "Download the test part")
    return clips


def write(
    clips: Sequence[Any],
    model: Any,
    out: str | Path,
    *,
    warm_start: bool = False,
    limit: int | None = None,
    progress: Progress | None = None,
    on_failure: Failure | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Writes OUT/submission and returns what was written, as submission.json holds it.

    Args:
        clips: of `read_clips`.
        model: a loaded flow network; `options` are those of its call.
        warm_start: each pair starts from the flow of the pair before it.
        limit: clips that are estimated at most; the benchmark still counts all of them.
        progress: called with (clips done, clips in all).
        on_failure: called with (name, error) for a clip that is damaged and left out; None raises.
    """
    options = {name: value for name, value in options.items() if value is not None}
    written, clipped, failures = 0, 0, []
    chosen = clips[:limit]
    for number, clip in enumerate(chosen, 1):
        try:
            for path, flow in _flows(clip, model, warm_start, options):
                clipped += _write(Path(out) / "submission" / path, flow)
                written += 1
        except errors.UserError as error:
            if on_failure is None or error.code == 3:
                raise
            on_failure(clip.name, error)
            failures.append({"clip": clip.name, "error": str(error)})
        if progress is not None:
            progress(number, len(chosen))
    wanted = _wanted(clips)
    return {
        "benchmark": _layout(clips[0]),
        "model": {
            "name": model.name,
            "sha256": model.meta.get("sha256"),
            "iters": options.get("iters", model.iters),
            "scales": list(model.scales),
            "init": "warm" if warm_start else "zero",
            "precision": model.precision,
            "seed": model.seed,
        },
        "flows": written,
        "published_flows": wanted,
        "complete": written == wanted,
        "pixels_out_of_range": clipped,
        "failures": failures,
    }


def save(out: str | Path, summary: dict[str, Any], command: str, device: str) -> dict[str, Any]:
    """Writes submission.json and returns what it holds."""
    from daflow_jax.io import atomic

    record = {**records.head(command), **summary, "environment": records.environment(device)}
    atomic.write_text(Path(out) / "submission.json", json.dumps(record, indent=1) + "\n")
    return record


def _flows(clip, model, warm_start, options) -> Iterator[tuple[Path, Any]]:
    """Yields the path below the submission's root and the flow of every pair of a clip."""
    clip.check()
    shown = dict(warm_start=warm_start, where=clip.name)
    flows = model.stream(clip.pictures(), **shown, **options)
    for first, flow in zip(clip.frames, flows, strict=False):
        yield _place(clip, first), flow


def _place(clip, first: Path) -> Path:
    """Returns RENDER/SCENE/frame_0001.flo of Sintel, flow/000000_10.png of KITTI 2015 or, of
    KITTI 2012, 000000_10.png alone."""
    if clip.dataset.startswith("sintel-"):
        return Path(clip.dataset.removeprefix("sintel-")) / first.parent.name / f"{first.stem}.flo"
    return Path("flow" if clip.dataset == "kitti2015" else "") / f"{first.stem}.png"


def _write(path: Path, flow) -> int:
    from daflow_jax.io import flow as flow_files

    return flow_files.write_flow(path, flow)


def _layout(clip) -> str:
    return "sintel" if clip.dataset.startswith("sintel-") else clip.dataset


def _wanted(clips) -> int:
    """Returns how many flows the benchmark publishes for the splits of these clips."""
    from daflow_jax import datasets

    layout = datasets.get(_layout(clips[0]))
    counts = [layout.counts[split] for split in {clip.split for clip in clips}]
    return sum((count.frames or 0) - count.clips for count in counts)
