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

from daflow_jax.errors import UserError
from daflow_jax.io import flow as flow_files
from daflow_jax.io import image, json_file, listing, natural

_STEMS = ("frame", "clean")
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
    """

    name: str
    dataset: str
    folder: Path
    pictures: dict[str, Path]
    flow: Path | None
    meta: dict[str, Any]

    def load(self) -> LoadedPair:
        """Returns the pair in memory; sizes that differ are a `UserError` naming both files."""
        if self.flow is None:
            raise UserError(self.folder, f"holds no flow file; {_LAYOUT}", "Add flow.flo")
        frame1 = image.read_image(self.pictures["frame1"])
        frame2 = image.read_image(self.pictures["frame2"])
        flow, valid = flow_files.read_flow(self.flow)
        masks = {key: self._mask(key) for key in ("valid", "occ", "noc", "invalid")}
        self._same_size(frame1, self.pictures["frame2"], frame2)
        self._same_size(frame1, self.flow, flow)
        for key, mask in masks.items():
            if mask is not None:
                self._same_size(frame1, self.folder / f"{key}.png", mask)
        if masks["valid"] is not None:
            valid = valid & masks["valid"]
        occluded = masks["occ"]
        if occluded is None and masks["noc"] is not None:
            occluded = valid & ~masks["noc"]
        return LoadedPair(frame1, frame2, flow, valid, occluded, masks["invalid"])

    @property
    def group(self) -> str:
        """The clip that the pair was cut from, as far as meta.json says so ("clip")."""
        return str(self.meta.get("clip") or self.name)

    def neighbour(self) -> Neighbour | None:
        """Returns the third frame of a window of three: frame3, else frame0, None without them."""
        for stem in ("frame3", "frame0"):
            if stem in self.pictures:
                frame = image.read_image(self.pictures[stem])
                first = image.read_image(self.pictures["frame1"])
                self._same_size(first, self.pictures[stem], frame)
                return Neighbour(frame, before=stem == "frame0")
        return None

    def _mask(self, stem: str) -> np.ndarray | None:
        path = self.folder / f"{stem}.png"
        return image.read_mask(path) if os.path.lexists(path) else None

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


def read_pairs(root: str | Path) -> list[PairEntry]:
    """Returns the pairs at or below `root` in natural order; reads only their meta.json.

    Errors: no pair, a pair without flow, or a damaged meta.json is a `UserError`.
    """
    root = Path(root)
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
    return PairEntry(name, dataset, folder, pictures(folder), flow, meta)


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
