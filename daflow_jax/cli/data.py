"""`daflow data`: is a folder of data sound, what is in it, and what moves in it."""

import argparse
import json
from pathlib import Path
from typing import Any

from daflow_jax import errors
from daflow_jax.cli import console, label, options, sources


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb with its kinds."""
    parser = subparsers.add_parser(
        "data",
        help="check, describe and label folders of data",
        **options.examples(
            "daflow data check MPI-Sintel --layout sintel --limit 20",
            "daflow data stats pairs/ --json",
            "daflow data label clips/ --model raft/ --iters 20 --out labels",
        ),
    )
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    _add_check(kinds)
    _add_stats(kinds)
    label.add_kind(kinds, _LAYOUT_HELP)


_LAYOUT_HELP = "pairs, sintel, kitti2012, kitti2015, chairs, things, spring, ... (auto)"


def _add_check(kinds: argparse._SubParsersAction) -> None:
    parser = kinds.add_parser(
        "check",
        help="find broken files and flow that does not fit its frames",
        description=(
            "Reads every frame and every flow of pairs folders, known data sets and folders of "
            "clips. Exit code 4 if the data is unusable: a broken clip (unless --skip-bad), or too "
            "many flows by which frame 2 does not match frame 1 better than without motion."
        ),
        **options.examples(
            "daflow data check pairs/",
            "daflow data check FlyingChairs --layout chairs --limit 500 --out report",
            "daflow data check clips/ --layout video_folder --skip-bad",
        ),
    )
    _add_shared(parser, "daflow_data_check")
    parser.add_argument("--worst", type=options.at_least(0), default=5, help="pictures (5)")
    parser.add_argument(
        "--max-suspect",
        type=options.number(0, 1),
        default=0.05,
        metavar="SHARE",
        help="exit 4 if more of the flows do not fit their frames (0.05)",
    )


def _add_stats(kinds: argparse._SubParsersAction) -> None:
    parser = kinds.add_parser(
        "stats",
        help="sizes, lengths, speeds and directions",
        description="Reads the first frame of every clip and its forward flows.",
        **options.examples(
            "daflow data stats pairs/",
            "daflow data stats MPI-Sintel --layout sintel:final",
            "daflow data stats TartanAir --limit 100 --skip-bad --json",
        ),
    )
    _add_shared(parser, "daflow_data_stats")


def _add_shared(parser: argparse.ArgumentParser, out: str) -> None:
    parser.add_argument("root", metavar="DIR", help="a data set, unpacked")
    parser.add_argument(
        "--layout",
        default="auto",
        metavar="NAME[:SPLIT]",
        help=_LAYOUT_HELP,
    )
    text = "read N clips only, spread evenly"
    parser.add_argument("--limit", type=options.at_least(1), metavar="N", help=text)
    text = "count broken clips and go on without them"
    parser.add_argument("--skip-bad", action="store_true", help=text)
    sources.add_reading(parser, video=False)
    options.add_common(parser, out)


def run(args: argparse.Namespace) -> int:
    """Returns the exit code of the chosen kind."""
    return {"check": _check, "stats": _stats, "label": label.run}[args.kind](args)


def _clips(args: argparse.Namespace):
    """Returns the layout, all clips, and those that are to be read."""
    from daflow_jax import datasets

    clips = datasets.list_clips(args.root, args.layout)
    name = args.layout.partition(":")[0]
    layout = datasets.detect(Path(args.root)) if name == "auto" else datasets.get(name)
    step = max(len(clips) / (args.limit or len(clips)), 1)
    chosen = [clips[int(index * step)] for index in range(int(len(clips) / step))]
    return layout, clips, chosen


def _check(args: argparse.Namespace) -> int:
    from daflow_jax import outputs
    from daflow_jax.datasets.checks import check
    from daflow_jax.io import atomic

    layout, clips, chosen = _clips(args)
    outputs.refuse_inside(args.out, args.root)
    talk = console.Console(args.quiet)
    findings = []
    with console.Progress(talk, "check", "clips", len(chosen)) as progress:
        for clip in chosen:
            findings += check.check_clip(clip)
            progress.step()
    report = _report(args, layout, clips, chosen, findings)
    pictures = _pictures(args, chosen, findings)
    report["pictures"] = [str(path) for path in pictures]
    atomic.write_text(Path(args.out) / "report.json", json.dumps(report, indent=1) + "\n")
    print(json.dumps(report) if args.json else _check_text(report))
    return 0 if report["usable"] else 4


def _report(args, layout, clips, chosen, findings) -> dict[str, Any]:
    """Returns report.json: counts beside the published ones, findings, the verdict and why."""
    from daflow_jax import datasets

    by_level = {level: [f for f in findings if f.level == level] for level in _LEVELS}
    flows = len({(f.clip, f.pair) for f in findings if f.pair})
    errors_, suspects = by_level["error"], by_level["suspect"]
    reasons = []
    if errors_ and not args.skip_bad:
        reasons.append(f"{len(errors_)} of {len(chosen)} clips are broken")
    if len(errors_) == len(chosen):
        reasons.append("no clip is left")
    if flows and len(suspects) > args.max_suspect * flows:
        reasons.append(f"{len(suspects)} of {flows} flows do not fit their frames")
    splits = {}
    for split, found in datasets.count(clips).items():
        published = layout.counts.get(split)
        splits[split] = {
            **found._asdict(),
            "published": published._asdict() if published else None,
        }
    return {
        "schema": 1,
        "root": args.root,
        "layout": layout.name,
        "splits": splits,
        "absent_splits": []
        if ":" in args.layout
        else [s for s in layout.counts if s not in splits],
        "bytes": _bytes(clips),
        "clips_read": len(chosen),
        "flows_read": flows,
        "broken": len(errors_),
        "suspect": len(suspects),
        "usable": not reasons,
        "reasons": reasons,
        "findings": [
            {"level": f.level, "place": f.place, "text": f.text, "ratio": f.ratio}
            for f in findings
            if f.level
        ],
    }


_LEVELS = ("error", "suspect", "note", "")


def _bytes(clips) -> int:
    """Returns the bytes of all frames and truth that exist, each file once."""
    files = set()
    for clip in clips:
        truths = [truth for truth in (*clip.truth, *clip.back) if truth]
        files.update(clip.frames, (path for truth in truths for path in truth.files()))
        files.update(path for path in clip.clean if path)
    return sum(path.stat().st_size for path in files if path.is_file())


def _pictures(args: argparse.Namespace, clips, findings) -> list[Path]:
    """Writes pictures of the flows that fit worst: suspects first, then by their ratio."""
    from daflow_jax.datasets.checks import check

    by_name = {clip.name: clip for clip in clips}
    judged = [f for f in findings if f.pair and f.ratio is not None]
    judged.sort(key=lambda f: (f.level != "suspect", -f.ratio))
    paths = []
    for rank, finding in enumerate(judged[: args.worst], 1):
        label = finding.place.replace("/", "_").replace(" -> ", "_").replace(" ", "_")
        path = Path(args.out) / "worst" / f"{rank}_{label}.png"
        check.write_picture(path, by_name[finding.clip], finding.pair)
        paths.append(path)
    return paths


def _check_text(report: dict[str, Any]) -> str:
    lines = [f"{report['root']}: layout {report['layout']}, {report['bytes'] / 1e6:.1f} MB"]
    for split, found in report["splits"].items():
        published = found["published"]
        said = f"{found['clips']} clips, {found['frames']} frames, {found['flows']} flows"
        lines.append(f"  {split}: {said}" + (_beside(found, published) if published else ""))
    if report["absent_splits"]:
        lines.append(f"  not here: {', '.join(report['absent_splits'])}")
    lines.append(f"read {report['clips_read']} clips and {report['flows_read']} flows")
    lines += [f"  {f['level']}: {f['place']}: {f['text']}" for f in report["findings"][:20]]
    if len(report["findings"]) > 20:
        lines.append(f"  and {len(report['findings']) - 20} more in report.json")
    lines += [f"  picture: {path}" for path in report["pictures"]]
    verdict = "usable" if report["usable"] else "NOT usable: " + "; ".join(report["reasons"])
    return "\n".join([*lines, verdict])


def _beside(found: dict[str, Any], published: dict[str, Any]) -> str:
    """Returns what the published data set has where it differs."""
    differs = {
        key: number
        for key, number in published.items()
        if number is not None and number != found[key]
    }
    if not differs:
        return " (complete)"
    return f" (published: {', '.join(f'{number} {key}' for key, number in differs.items())})"


def _stats(args: argparse.Namespace) -> int:
    from daflow_jax.datasets.checks import stats
    from daflow_jax.io import atomic

    layout, clips, chosen = _clips(args)
    talk = console.Console(args.quiet)
    groups: dict[str, stats.Summary] = {}
    skipped = []
    with console.Progress(talk, "stats", "clips", len(chosen)) as progress:
        for clip in chosen:
            try:
                groups.setdefault(clip.dataset, stats.Summary()).add(clip)
            except errors.UserError as error:
                if not args.skip_bad:
                    raise
                skipped.append({"clip": clip.name, "error": str(error)})
            progress.step()
    described = {name: group.result() for name, group in groups.items() if group.lengths}
    if not described:
        raise errors.UserError(args.root, "no clip was usable", skipped[0]["error"])
    head = {"schema": 1, "root": args.root, "layout": layout.name, "clips": len(clips)}
    report = {**head, "clips_read": len(chosen), "datasets": described, "skipped": skipped}
    atomic.write_text(Path(args.out) / "stats.json", json.dumps(report, indent=1) + "\n")
    print(json.dumps(report) if args.json else _stats_text(report))
    return 0


def _stats_text(report: dict[str, Any]) -> str:
    head = ["data set", "clips", "frames", "sizes", "mean", "p50", "p99", "max", "< 1 px"]
    rows = [[*head, "1-10", "10-40", "> 40 px", "occluded"]]
    for name, found in report["datasets"].items():
        sizes = list(found["sizes"])
        more = f" +{len(sizes) - 1}" if len(sizes) > 1 else ""
        row = [name, str(found["clips"]), str(found["frames"]), sizes[0] + more]
        if "speed" in found:
            row += [f"{found['speed'][key]:.2f}" for key in ("mean", "p50", "p99", "max")]
            shares = [*found["bands"].values(), found["occluded"]]
            row += ["-" if share is None else f"{share:.1%}" for share in shares]
        rows.append(row)
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    if report["skipped"]:
        lines.append(f"skipped {len(report['skipped'])} broken clips (listed in stats.json)")
    return "\n".join(lines)
