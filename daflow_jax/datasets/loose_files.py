"""Images that a person named one by one, or a shell did: which belong together, in which order.

Files keep their order, with a note where it is not the natural one. If the order is that of a
shell's pattern (img1, img10, img2), the natural order was meant.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from daflow_jax.errors import UserError
from daflow_jax.io import image, listing, natural


def groups(loose: Sequence[Path], notes: list[str]) -> Iterator[tuple[str, list[Path]]]:
    """Yields name and images of each sequence; adds to `notes` what a person should know.

    Two files are a pair wherever they lie, and so are more files of which each has a folder of its
    own; else each folder is a sequence.
    """
    found: dict[Path, list[Path]] = {}
    for path in loose:
        found.setdefault(path.absolute().parent, []).append(path)
    if len(found) > 1 and (len(loose) == 2 or all(len(paths) == 1 for paths in found.values())):
        yield loose[0].absolute().parent.name or "frames", list(loose)
        return
    if len(found) > 1:
        notes.append(f"{len(found)} folders, a sequence for each")
    for folder, paths in found.items():
        yield folder.name or "frames", _in_order(paths, notes)


def _in_order(paths: list[Path], notes: list[str]) -> list[Path]:
    """Returns images of one folder in natural order if a shell sorted them, else as they are."""
    names = [path.name for path in paths]
    ordered = sorted(paths, key=lambda path: natural.key(path.name))
    if ordered == paths:
        return paths
    if len(paths) > 2 and natural.is_sorted_as_text(names):
        shown = ", ".join(path.name for path in ordered[:3])
        notes.append(f"frames in the order of their numbers: {shown} ...")
        return ordered
    if len({re.sub(r"\d+", "", name) for name in names}) < len(names):  # they are numbered
        notes.append(f"frames in the order given, not of their numbers: {', '.join(names[:3])} ...")
    return paths


def problem(paths: list[Path]) -> UserError | None:
    """Returns why pictures of one folder are not a sequence: a link to nothing, frames twice."""
    for path in paths:
        if listing.is_dangling(path):
            try:
                image.read_bytes(path)
            except UserError as error:
                return error
    twins = listing.twins(paths) if len({path.parent for path in paths}) == 1 else None
    if twins is None:
        return None
    rule = f"the same frame as {twins[1].name}; a frame may be there once"
    remedy = f"Name one kind: '{twins[0].parent}/*{twins[0].suffix}'"
    return UserError(twins[0], rule, remedy)
