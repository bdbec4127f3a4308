"""Pairs folders: `DATASET/NAME/` with frame1, frame2, flow, masks and meta.json.

Beside the two frames there may be their neighbours frame0 and frame3, and clean1, clean2 where
frame1, frame2 are degraded. `occ.png` marks occluded pixels, `noc.png` the others (KITTI),
`valid.png` where the flow is known, `invalid.png` (Sintel) where the data set itself doubts it.
meta.json may name the "dataset" and the "clip", and say `"in_averages": false` of a data set that
averages over data sets leave out.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daflow_jax.datasets import far
from daflow_jax.errors import UserError
from daflow_jax.io import flow as flow_files
from daflow_jax.io import image, json_file, listing, natural, storage
from daflow_jax.io.storage import Place

_STEMS = ("frame", "clean")
_MASKS = ("valid", "occ", "noc", "invalid")
_LAYOUT = "a pair is a folder with frame1, frame2, flow and meta.json"


class LoadedPair(NamedTuple):
    """Frames uint8 or uint16 (h, w, 3); flow float32 (h, w, 2); masks bool (h, w).

    Pixels whose flow the data set doubts are `unreliable` and stay valid, as the field counts them.
    """

    frame1: np.ndarray
    frame2: np.ndarray
    flow: np.ndarray
    valid: np.ndarray
    occluded: np.ndarray | None
    unreliable: np.ndarray | None = None


class Neighbour(NamedTuple):
    """A frame (h, w, 3) right before or right after the two frames of a pair."""

    frame: np.ndarray
    before: bool


@dataclasses.dataclass(frozen=True)
class PairEntry:
    """One pair on disk, nothing read yet but its meta.json.

    Attributes:
        name: path below the root that was read, with "/".
        dataset: what meta.json says, else the name of the folder above.
        pictures: paths by stem: frame1, frame2, maybe frame0, frame3, clean1, clean2.
        flow: path of the true flow, or None.
        masks: paths by stem: occ, noc, valid, invalid, as far as they are there.
    """

    name: str
    dataset: str
    folder: Path
    pictures: dict[str, Path]
    flow: Path | None
    masks: dict[str, Path]
    meta: dict[str, Any]

    def load(self) -> LoadedPair:
        """Returns the pair in memory, its files fetched if they lie in a bucket; sizes that differ
        are a `UserError` naming both files."""
        with far.copies(self._files()) as copied:
            return self._moved(copied)._load()

    def _files(self) -> list[Path]:
        return [*self.pictures.values(), *self.masks.values(), *([self.flow] if self.flow else [])]

    def _moved(self, copied: dict[Path, Path]) -> "PairEntry":
        """Returns the pair whose files are their copies, where there are any."""
        if not copied:
            return self
        pictures, masks = (
            {stem: copied[path] for stem, path in files.items()}
            for files in (self.pictures, self.masks)
        )
        flow = copied[self.flow] if self.flow else None
        return dataclasses.replace(self, pictures=pictures, masks=masks, flow=flow)

    def _load(self) -> LoadedPair:
        if self.flow is None:
            raise UserError(self.folder, f"holds no flow file; {_LAYOUT}", "Add flow.flo")
        frame1 = image.read_image(self.pictures["frame1"])
        frame2 = image.read_image(self.pictures["frame2"])
        flow, valid = flow_files.read_flow(self.flow)
        masks = {key: image.read_mask(path) for key, path in self.masks.items()}
        self._same_size(frame1, self.pictures["frame2"], frame2)
        self._same_size(frame1, self.flow, flow)
        for key, mask in masks.items():
            self._same_size(frame1, self.masks[key], mask)
        if "valid" in masks:
            valid = valid & masks["valid"]
        occluded = masks.get("occ")
        if occluded is None and "noc" in masks:
            occluded = valid & ~masks["noc"]
        return LoadedPair(frame1, frame2, flow, valid, occluded, masks.get("invalid"))

    @property
    def group(self) -> str:
        """The clip that the pair was cut from, as far as meta.json says so ("clip")."""
        return str(self.meta.get("clip") or self.name)

    def neighbour(self) -> Neighbour | None:
        """Returns the third frame of a window of three: frame3, else frame0, None without them."""
        stem = next((stem for stem in ("frame3", "frame0") if stem in self.pictures), None)
        if stem is None:
            return None
        with far.copies([self.pictures[stem], self.pictures["frame1"]]) as copied:
            first, path = (copied.get(p, p) for p in (self.pictures["frame1"], self.pictures[stem]))
            frame = image.read_image(path)
            self._same_size(image.read_image(first), path, frame)
        return Neighbour(frame, before=stem == "frame0")

    def _same_size(self, frame: np.ndarray, path: Path, other: np.ndarray) -> None:
        if frame.shape[:2] != other.shape[:2]:
            rule = (
                f"{other.shape[1]}x{other.shape[0]} but {self.pictures['frame1'].name} is "
                f"{frame.shape[1]}x{frame.shape[0]}; the files of a pair share a size"
            )
            raise UserError(path, rule, "Check which of them belongs to another pair")


def is_pair(folder: Path) -> bool:
    """Returns whether `folder` is one pair: meta.json beside pictures called frame1 and frame2."""
    return (folder / "meta.json").is_file() and {"frame1", "frame2"} <= set(pictures(folder))


def find_folders(root: str | Path) -> list[Path]:
    """Returns the folders of pairs at or below `root` in natural order, maybe none."""
    found = listing.find(Path(root), ["meta.json"])
    return sorted((folder for folder in found if is_pair(folder)), key=natural.key)


def read_pairs(root: str | Place) -> list[PairEntry]:
    """Returns the pairs at or below `root`, also in a bucket, in natural order; reads only their
    meta.json.

    Errors: no pair, a pair without flow, or a damaged meta.json is a `UserError`.
    """
    root = storage.outlined(root)
    if not root.is_dir():
        raise UserError(root, "not a folder", f"Name a pairs folder; {_LAYOUT}")
    folders = find_folders(root)
    if not folders:
        raise UserError(root, f"holds no pairs; {_LAYOUT}", "Check the folder")
    return [_entry(root, folder) for folder in folders]


def _entry(root: Path, folder: Path) -> PairEntry:
    meta = read_meta(folder)
    frames = _frames(folder)
    twins = listing.twins(frames)
    if twins:
        rule = f"the same frame as {twins[1].name}; a pair has each once"
        raise UserError(twins[0], rule, "Remove one of them")
    flows = (folder / f"flow{extension}" for extension in flow_files.EXTENSIONS)
    flow = next((path for path in flows if os.path.lexists(path)), None)
    if flow is None:
        raise UserError(folder, f"holds no flow file; {_LAYOUT}", "Add flow.flo or flow.png")
    name = folder.name if folder == root else folder.relative_to(root).as_posix()
    dataset = str(meta.get("dataset") or folder.parent.name)
    masks = {stem: path for stem in _MASKS if os.path.lexists(path := folder / f"{stem}.png")}
    return PairEntry(name, dataset, folder, pictures(folder), flow, masks, meta)


def read_meta(folder: Path) -> dict[str, Any]:
    """Returns the content of meta.json, whose names of data set, split and clip are text."""
    fields = json_file.read_object(folder / "meta.json", "Repair or copy it")
    for name in ("dataset", "split", "clip"):
        if fields.values.get(name) is not None:
            fields.text(name)
    return fields.values


def pictures(folder: Path) -> dict[str, Path]:
    """Returns the frames and their clean originals by stem: frame1, frame2, maybe clean1, ..."""
    return {path.stem: path for path in _frames(folder)}


def _frames(folder: Path) -> list[Path]:
    files = sorted(path for path in listing.entries(folder) if path.stem[:5] in _STEMS)
    return [path for path in files if image.is_image(path)]
