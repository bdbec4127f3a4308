"""`daflow data label`: pseudo ground truth of clean clips by any flow model."""

import argparse
import dataclasses
import json
import re
from typing import Any

from daflow_jax import errors
from daflow_jax.cli import call_options, console, options, sources

ITERS = 20  # refinement steps of labels (DA-Flow, appendix A)
_OCCLUSION = {"rule": "|f + b|^2 > a (|f|^2 + |b|^2) + c", "a": 0.01, "c": 0.5}


def add_kind(kinds: argparse._SubParsersAction, layout_help: str) -> None:
    """Adds the kind and its options."""
    parser = kinds.add_parser(
        "label",
        help="pseudo ground truth: a model's flow of clean clips, both ways, with occlusion",
        description=(
            "Estimates the flow of full clean frames forward and backward, marks as occluded what "
            "the two do not agree on, and stores both for training: --layout labels reads OUT. "
            "Clips that are complete are kept, so an interrupted run goes on where it was; "
            "--shard gives every process its own share of the clips."
        ),
        **options.examples(
            "daflow data label YouHQ --layout youhq --model sea-raft/ --out youhq_labels",
            "daflow data label clips/ --model raft/ --iters 20 --shard 3/8 --skip-bad",
            "daflow data check youhq_labels --layout labels",
        ),
    )
    parser.add_argument("root", metavar="DIR", help="a data set, unpacked, its frames clean")
    parser.add_argument("--layout", default="auto", metavar="NAME[:SPLIT]", help=layout_help)
    parser.add_argument("--limit", type=options.at_least(1), metavar="N", help="first N clips only")
    parser.add_argument(
        "--shard",
        type=_shard,
        default=(0, 1),
        metavar="I/N",
        help="the clips of process I of N, counted from 0 (0/1)",
    )
    text = "count broken clips and go on without them"
    parser.add_argument("--skip-bad", action="store_true", help=text)
    sources.add_reading(parser, video=False)
    options.add_common(parser, "daflow_labels")
    options.add_model(parser)
    options.add_layout(parser)


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or int(match[1]) >= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 0 to N - 1")
    return int(match[1]), int(match[2])


def run(args: argparse.Namespace) -> int:
    """Returns 0 after labelling this process's share of the clips, 5 if some were left out."""
    from daflow_jax import outputs
    from daflow_jax.datasets import labels
    from daflow_jax.io import atomic, storage

    source, out = storage.place(args.root), storage.place(args.out)
    name, clips = _clips(args)
    outputs.refuse_inside(out, args.root)
    options.start(args)
    log = console.Console(args.quiet)
    model = options.load(args, args.model, log.note)
    if args.iters is None and "iters" in model.defaults:
        args.iters = ITERS
    settings = call_options.chosen(args, "flow")
    model.options(**settings)
    labels.start(out, source, name, {"model": _record(args, model), **_RULES})
    report: dict[str, Any] = {"labelled": 0, "kept": 0, "pairs": 0, "pixels_lost": 0, "skipped": []}
    index, count = args.shard
    with console.Progress(log, "label", "clips", len(clips[index::count])) as progress:
        for clip in clips[index::count]:
            try:
                _label(out, clip, model, settings, report)
            except errors.UserError as error:
                if not args.skip_bad or error.code == 3:
                    raise
                report["skipped"].append({"clip": clip.name, "error": str(error)})
            progress.step()
    report = {"schema": 1, "root": args.root, "layout": name, "shard": f"{index}/{count}", **report}
    atomic.write_text(out / f"shard_{index}_of_{count}.json", json.dumps(report, indent=1) + "\n")
    print(json.dumps(report) if args.json else _text(out, report))
    return 5 if report["skipped"] else 0


_RULES = {"occlusion": _OCCLUSION}


def _clips(args):
    """Returns the layout with its split, and the clips in the order that all shards share."""
    from daflow_jax import datasets
    from daflow_jax.io import storage

    root = storage.outlined(args.root)
    clips = datasets.list_clips(root, args.layout)
    name, _, split = args.layout.partition(":")
    found = datasets.detect(root) if name == "auto" else datasets.get(name)
    if found.name == "labels":
        rule = "holds labels already"
        raise errors.UserError(args.root, rule, "Name the folder of the clips")
    return f"{found.name}:{split}" if split else found.name, clips[: args.limit]


def _record(args, model) -> dict[str, Any]:
    """Returns what the labels depend on: the weights, and how they were run."""
    return {
        "name": model.name,
        "sha256": model.meta.get("sha256"),
        "scales": list(model.scales),
        **call_options.record(args, model),
        "max_size": args.max_size,
        "precision": model.precision,
        "seed": model.seed,
        **({"stored_orientation": True} if args.stored_orientation else {}),
    }


def _label(out: Any, clip, model, settings, report: dict[str, Any]) -> None:
    """Writes the labels of a clip that has none yet, and counts."""
    from daflow_jax.datasets import labels
    from daflow_jax.io import protected
    from daflow_jax.predict.flow import consistency

    if labels.is_done(out, clip):
        report["kept"] += 1
        return
    clip.check()
    clean = _clean(clip)
    with protected.protecting(clean.frames), labels.writing(out, clip) as writer:
        stream = model.stream(
            clean.pictures(), warm_start=False, bidirectional=True, where=clip.name, **settings
        )
        for result in stream:
            back: Any = consistency.compare(result.backward, result.flow, model.device)
            writer.add(result.flow, result.occlusion)
            writer.add(back.flow, back.occlusion, "_back")
    report["labelled"] += 1
    report["pairs"] += writer.pairs
    report["pixels_lost"] += writer.lost


def _clean(clip):
    """Returns the clip of the clean originals, where its frames are degraded."""
    if not clip.clean:
        return clip
    if not all(clip.clean):
        rule = f"{sum(path is None for path in clip.clean)} of its frames have no clean original"
        raise errors.UserError(clip.name, rule, "Add them or remove the others")
    return dataclasses.replace(clip, frames=clip.clean, clean=())


def _text(out: Any, report: dict[str, Any]) -> str:
    words = f"{report['labelled']} clips labelled ({report['pairs']} pairs), {report['kept']} kept"
    lines = [f"{out}: shard {report['shard']}: {words}"]
    if report["pixels_lost"]:
        lines.append(f"{report['pixels_lost']} pixels beyond 512 px are marked invalid")
    if report["skipped"]:
        lines.append(f"skipped {len(report['skipped'])} broken clips")
        lines += [f"  {skipped['error']}" for skipped in report["skipped"][:20]]
    return "\n".join(lines)
