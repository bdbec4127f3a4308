"""What the commands that read frames share: how frames are read, which files are inputs."""

import argparse
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daflow_jax import errors
from daflow_jax.cli import console


def add_reading(parser: argparse._ActionsContainer, video: bool = True) -> None:
    """Adds how pictures and, with `video`, videos are read."""
    text = "frames as stored, not turned as a viewer shows them"
    parser.add_argument("--stored-orientation", action="store_true", help=text)
    if video:
        text = "fill the rows of interlaced videos (FFmpeg's bwdif)"
        parser.add_argument("--deinterlace", action="store_true", help=text)


@contextmanager
def reading(args: argparse.Namespace) -> Iterator[None]:
    """Reads frames as `add_reading` was answered, until the block ends."""
    import os

    from daflow_jax.io import orientation

    before = os.environ.get(orientation.VARIABLE)
    if getattr(args, "stored_orientation", False):
        orientation.keep_stored()
    try:
        yield
    finally:
        os.environ.pop(orientation.VARIABLE, None)
        if before is not None:
            os.environ[orientation.VARIABLE] = before


def files(found: Iterable[Any], *texts: str) -> list[Path]:
    """Returns every file that is read: those of sequences, and those that `texts` name, "@list"
    and plain names."""
    named = [Path(text.removeprefix("@")) for text in texts]
    return [path for sequence in found for path in sequence.paths] + named


def refuse_stdin(texts: Iterable[str]) -> None:
    """Raises UserError where standard input is named, for commands that read a clip twice."""
    if "-" in texts:
        rule = "standard input can be read once only, and clips are read twice"
        raise errors.UserError("-", rule, "Save it as a video first")


def existing(args: argparse.Namespace) -> Any:
    """Returns what happens to results that exist: "refuse", "keep" or "replace"."""
    return "replace" if args.overwrite else "keep" if args.skip_existing else "refuse"


def origin(sequence: Any) -> str:
    """Returns where a sequence comes from, for a record: its video, or the folder of its images."""
    if not sequence.paths:
        return sequence.name
    path = sequence.paths[0].absolute()
    one = sequence.kind == "video" or sequence.is_animation
    return str(path if one else path.parent)


def sound(sequence: Any) -> Path | None:
    """Returns the video whose sound a result keeps."""
    return sequence.paths[0] if sequence.kind == "video" else None


def note_interlaced(sequence: Any, args: argparse.Namespace, log: console.Console) -> None:
    """Warns of a video that looks interlaced and is read as it is."""
    from daflow_jax.io import video

    if sequence.kind != "video" or sequence.problem is not None or args.deinterlace:
        return
    header = video.info(sequence.paths[0])
    for line in header.notes:
        log.note(line)
    if header.interlaced:
        log.note(f"{sequence.paths[0]}: looks interlaced, which spoils flow; try --deinterlace")


def damaged(places: Any) -> Any:
    """Returns the one error of all places where a video lacks frames, None without any."""
    if not places:
        return None
    last = places[-1].error()
    more = (
        f" and in {len(places) - 1} more place{'s' * (len(places) > 2)}" if len(places) > 1 else ""
    )
    shown = places[-1] if places[-1].at_end else places[0]
    return errors.UserError(last.where, f"{shown}{more}", last.remedy)
