"""The files that `daflow flow` writes for one sequence of frames."""

import argparse
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from daflow_jax.cli import console, outputs


def refuse_existing(found: Iterable[Any], args: argparse.Namespace) -> None:
    """Raises UserError, before any work, if the first file of a sequence exists."""
    for sequence in found:
        stem = next(_stems(sequence, args.stride))
        for name in args.formats:
            suffix = outputs.SUFFIX.get(name, "_wheel.png")
            outputs.refuse_existing(Path(args.out) / sequence.name / f"{stem}{suffix}")


def write(
    sequence: Any,
    stream: Callable[[Any, str], Iterator[Any]],
    args: argparse.Namespace,
    log: console.Console,
    overwrite: bool,
) -> dict[str, Any]:
    """Returns the record of one sequence after writing the flow of `stream(frames, name)`."""
    masks = tuple(x for x in ("occlusion", "confidence", "uncertainty") if getattr(args, x))
    writer = outputs.SequenceOutput(
        Path(args.out) / sequence.name, args.formats, args.wheel_max, masks, overwrite
    )
    begun, pairs = time.monotonic(), 0
    results = stream(itertools.islice(sequence.frames(), 0, None, args.stride), sequence.name)
    stems = _stems(sequence, args.stride)
    total = None if sequence.length is None else (sequence.length - 1) // args.stride
    try:
        with console.Progress(log, sequence.name, "pairs", total) as progress:
            for result in results:
                shown = result if args.bidirectional else result._replace(backward=None)
                writer.write(next(stems), shown)
                pairs += 1
                progress.step()
        if args.pad_last:
            writer.write(next(stems), shown)
        frames = itertools.islice(sequence.frames(), 0, None, args.stride)
        writer.finish(frames if "overlay" in args.formats else (), sequence.fps or 25.0)
    finally:
        writer.close()
    seconds = time.monotonic() - begun
    return {
        "input": sequence.name,
        "pairs": pairs,
        "size": list(shown.flow.shape[:2]),
        "seconds": round(seconds, 3),
        "speed_p99": round(max(writer.speeds), 3),
        "outputs": [str(path) for path in writer.written],
    }


def _stems(sequence, stride):
    """Yields the name of each frame that is read."""
    if sequence.names is not None:
        return itertools.islice(iter(sequence.names), 0, None, stride)
    return (f"{index:06d}" for index in itertools.count(0, stride))
