"""What `daflow flow` writes for one sequence of frames."""

import argparse
import itertools
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from daflow_jax import errors, outputs
from daflow_jax.cli import console, sources
from daflow_jax.outputs.flow_of import Estimate


def expected(found: Iterable[Any], args: argparse.Namespace) -> Iterator[Path]:
    """Yields the files that sequences are going to have, as far as their lengths are known."""
    for sequence in found:
        yield from of_sequence(sequence, args)


def of_sequence(sequence: Any, args: argparse.Namespace) -> Iterator[Path]:
    """Yields the files that a sequence is going to have; of a video the first ones."""
    files = _files(sequence, args)
    if "overlay" in args.formats:
        yield files.overlay
    known = sequence.names is not None
    numbers = range(0, len(sequence.names) if known else 1, args.stride)
    last = len(numbers) if args.pad_last or not known else len(numbers) - 1
    for number in itertools.islice(numbers, last):
        stem = sequence.names[number] if known else f"{number:06d}"
        yield from files.expected(stem, args.bidirectional)


def write(
    sequence: Any, estimate: Estimate, args: argparse.Namespace, log: Any
) -> tuple[dict[str, Any], errors.UserError | None]:
    """Returns the entry of one sequence, and what ended it early, after writing its flow."""
    sources.note_interlaced(sequence, args, log)
    options = outputs.FlowOptions(
        args.stride, args.bidirectional, args.pad_last, args.deinterlace, args.across_gaps
    )
    begun, files = time.monotonic(), _files(sequence, args)
    total = None if sequence.length is None else (sequence.length - 1) // args.stride
    with console.Progress(log, sequence.name, "pairs", total) as progress:
        made = outputs.write_flow(sequence, estimate, files, options, progress.step)
    entry = {
        "pairs": made.pairs,
        "size": list(made.size),
        "seconds": round(time.monotonic() - begun, 3),
        "speed_p99": round(files.fastest, 3),
        "outputs": [str(path) for path in files.written],
    }
    if files.kept:
        entry["kept"] = files.kept
    if made.damage:
        entry["damage"] = [str(place) for place in made.damage]
    return entry, made.error or damage(made.damage, args, log)


def damage(places: Any, args: argparse.Namespace, log: Any) -> errors.UserError | None:
    """Returns the error that missing frames are, None where --across-gaps accepts them."""
    if places and args.across_gaps and not places[-1].at_end:
        for place in places:
            log.note(f"{place.path}: {place}")
        return None
    return sources.damaged(places)


def _files(sequence, args) -> outputs.FlowFiles:
    masks = tuple(x for x in ("occlusion", "confidence", "uncertainty") if getattr(args, x))
    return outputs.FlowFiles(
        Path(args.out) / sequence.name,
        args.formats,
        args.wheel_max,
        masks,
        sources.existing(args),
        sequence.fps or 25,
        sources.sound(sequence),
    )
