"""Files that a run is going to write, looked at before any work: inputs, and what exists."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from daflow_jax.errors import UserError
from daflow_jax.io import image, protected, storage

Existing = Literal["refuse", "keep", "replace"]  # what happens to results that exist


def check(
    targets: Iterable[Path], inputs: Sequence[str | Path], existing: Existing = "refuse"
) -> None:
    """Raises UserError for the first target that is an input, or lies among input pictures as a
    picture, where the next run would read it as one; or that exists, if `existing` is "refuse"."""
    files = protected.known(inputs)
    pictures = {Path(path).parent for path in inputs if image.is_image(path)}
    folders = protected.known(pictures)
    seen: dict[Path, bool] = {}
    for target in targets:
        folder = target.parent
        if folder not in seen:
            seen[folder] = protected.identity(folder) is not None
        if not seen[folder]:
            continue
        protected.refuse(target, files)
        if image.is_image(target) and protected.identity(folder) in folders:
            rule = "would lie among the input frames, where the next run reads it as a frame"
            raise UserError(target, rule, "Choose another --out")
        if existing == "refuse":
            refuse_existing(target)


def refuse_inside(out: str | storage.Place, *folders: str | Path) -> None:
    """Raises UserError if `out` is one of the folders of data, or lies in one through any link."""
    if storage.is_url(out):
        return
    place = Path(out).resolve()
    for folder in folders:
        if Path(folder).is_dir() and place.is_relative_to(Path(folder).resolve()):
            rule = f"lies in {folder}, where it would be read as data"
            raise UserError(f"--out {out}", rule, "Choose a folder beside it")


def refuse_existing(path: Path) -> None:
    """Raises UserError if the file exists."""
    if path.exists() or path.is_symlink():
        remedy = "Pass --overwrite, --skip-existing or another --out"
        raise UserError(path, "exists", remedy)


def is_wanted(path: Path, existing: Existing) -> bool:
    """Returns whether to write `path`: not where it exists and is kept; see `refuse_existing`."""
    if existing == "refuse":
        refuse_existing(path)
    return existing != "keep" or not (path.exists() or path.is_symlink())
