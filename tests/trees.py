"""Small data sets in the true layouts and formats of the published ones.

Every flow is constant, (tag, -tag / 4) with a tag of its own, so that a reader that takes the wrong
file is caught; `tag` counts from 1 in the order in which the clips are listed.
"""

import itertools
import json

import numpy as np

from daflow_jax.datasets import Count
from daflow_jax.io import flow as flow_files
from daflow_jax.io import image, video

HEIGHT, WIDTH = 24, 32
_rng = np.random.default_rng(5)


def picture(height=HEIGHT, width=WIDTH):
    """Returns a random picture that compresses like one: 4 x 4 blocks."""
    blocks = _rng.integers(0, 256, (-(-height // 4), -(-width // 4), 3), dtype=np.uint8)
    return blocks.repeat(4, 0).repeat(4, 1)[:height, :width]


def flow(tag, scale=1):
    """Returns the flow (h, w, 2) with this tag."""
    return np.full((scale * HEIGHT, scale * WIDTH, 2), (tag, -tag / 4), np.float32)


def half(rows=True):
    """Returns a mask picture, 255 in the upper (or left) half."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[slice(HEIGHT // 2) if rows else (slice(None), slice(WIDTH // 2))] = 255
    return mask


def sintel(root):
    for render in ("clean", "final"):
        for scene, count in (("alley_1", 3), ("cave_2", 2)):
            for k in range(1, count + 1):
                image.write_image(root / f"training/{render}/{scene}/frame_{k:04d}.png", picture())
        image.write_image(root / f"test/{render}/market_1/frame_0001.png", picture())
        image.write_image(root / f"test/{render}/market_1/frame_0002.png", picture())
    for tag, (scene, k) in enumerate([("alley_1", 1), ("alley_1", 2), ("cave_2", 1)], 1):
        base, name = root / "training", f"{scene}/frame_{k:04d}"
        flow_files.write_flow(base / f"flow/{name}.flo", flow(tag))
        image.write_image(base / f"occlusions/{name}.png", half())
        image.write_image(base / f"invalid/{name}.png", half(rows=False))


def _kitti(root, camera):
    for tag in (1, 2):
        for k in (10, 11):
            image.write_image(root / f"training/{camera}/{tag - 1:06d}_{k}.png", picture())
            image.write_image(root / f"testing/{camera}/{tag - 1:06d}_{k}.png", picture())
        known = half(rows=False) > 0
        name = f"{tag - 1:06d}_10.png"
        flow_files.write_flow(root / "training/flow_occ" / name, flow(tag), known)
        flow_files.write_flow(root / "training/flow_noc" / name, flow(tag), known & (half() > 0))


def kitti2012(root):
    _kitti(root, "colored_0")


def kitti2015(root):
    _kitti(root, "image_2")


def hd1k(root):
    for tag, name in enumerate(("000000_0010", "000000_0011", "000000_0012", "000003_0000")):
        image.write_image(root / f"hd1k_input/image_2/{name}.png", picture())
        tag = {0: 1, 1: 2, 3: 3}.get(tag, 50)  # the truth of a last frame leads nowhere
        flow_files.write_flow(root / f"hd1k_flow_gt/flow_occ/{name}.png", flow(tag))
    image.write_image(root / "hd1k_input/image_2/000003_0001.png", picture())


def chairs(root):
    for tag in (1, 2, 3):
        for k in (1, 2):
            image.write_image(root / f"data/{tag:05d}_img{k}.ppm", picture())
        flow_files.write_flow(root / f"data/{tag:05d}_flow.flo", flow(tag))
    (root / "FlyingChairs_train_val.txt").write_text("1\n2\n1\n")


def things(root):
    tags = itertools.count(1)
    for part in ("TRAIN", "TEST"):
        for render in ("clean", "final"):
            for k in (6, 7, 8):
                for side in ("left", "right"):
                    path = root / f"frames_{render}pass/{part}/A/0000/{side}/{k:04d}.png"
                    image.write_image(path, picture())
        for time, numbers in (("Future", (6, 7)), ("Past", (7, 8))):
            folder = root / f"optical_flow/{part}/A/0000/into_{time.lower()}/left"
            for k in numbers:
                name = f"OpticalFlowInto{time}_{k:04d}_L.pfm"
                flow_files.write_flow(folder / name, flow(next(tags)))


def spring(root):
    tags = itertools.count(1)
    for side in ("left", "right"):
        for split in ("train", "test"):
            for k in (1, 2, 3):
                path = root / f"{split}/0001/frame_{side}/frame_{side}_{k:04d}.png"
                image.write_image(path, picture())
        for stem, numbers in ((f"flow_FW_{side}", (1, 2)), (f"flow_BW_{side}", (2, 3))):
            for k in numbers:
                odd = flow(next(tags), scale=2)
                odd[1::2], odd[:, 1::2] = np.nan, 99  # only every second value counts
                flow_files.write_flow(
                    root / f"train/0001/{stem}/{stem}_{k:04d}.flo5",
                    odd,
                    np.isfinite(odd).all(-1),
                )


def tartanair(root):
    tags = itertools.count(1)
    for env, level in (("office", "Easy"), ("office/office", "Hard")):
        base = root / env / level / "P000"
        for k in range(3):
            image.write_image(base / f"image_left/{k:06d}_left.png", picture())
        for k in range(2):
            flow_files.write_flow(base / f"flow/{k:06d}_{k + 1:06d}_flow.npy", flow(next(tags)))
            codes = np.zeros((HEIGHT, WIDTH), np.uint8)
            codes[0], codes[1], codes[2] = 1, 10, 100
            np.save(base / f"flow/{k:06d}_{k + 1:06d}_mask.npy", codes)


def middlebury(root):
    for scene, numbers in (("Grove3", range(7, 15)), ("Venus", (10, 11)), ("DogDance", (10, 11))):
        for k in numbers:
            image.write_image(root / f"other-data/{scene}/frame{k:02d}.png", picture())
    for tag, scene in ((2, "Grove3"), (3, "Venus")):
        known = half() > 0
        flow_files.write_flow(root / f"other-gt-flow/{scene}/flow10.flo", flow(tag), known)
    for k in (10, 11):
        image.write_image(root / f"eval-data/Army/frame{k}.png", picture())


def video_folder(root):
    root.mkdir(parents=True, exist_ok=True)
    with video.Writer(root / "walk.mp4", 25, (HEIGHT, WIDTH)) as writer:
        for _ in range(11):
            writer.write(picture())
    for k in range(9, 12):  # frame9 before frame10
        image.write_image(root / f"cat/left/frame{k}.png", picture())


def vimeo_triplet(root):
    names = ("00001/0001", "00001/0002", "00002/0001")
    for name in names:
        for k in (1, 2, 3):
            image.write_image(root / f"sequences/{name}/im{k}.png", picture())
    (root / "tri_trainlist.txt").write_text("00001/0001\n00002/0001\n\n")
    (root / "tri_testlist.txt").write_text("00001/0002\n\n")


def vimeo_septuplet(root):
    for name in ("00001/0001", "00001/0002"):
        for k in range(1, 8):
            image.write_image(root / f"sequences/{name}/im{k}.png", picture())
    (root / "sep_trainlist.txt").write_text("00001/0001\n")
    (root / "sep_testlist.txt").write_text("00001/0002\n\n")


def _folders(root, names, count, pattern="{:05d}.png"):
    for name in names:
        for k in range(count):
            image.write_image(root / name / pattern.format(k), picture())


def davis(root):
    _folders(root / "JPEGImages/480p", ("bear", "bus", "cows"), 3, "{:05d}.jpg")
    lists = root / "ImageSets/2017"
    lists.mkdir(parents=True, exist_ok=True)
    for name, clip in (("train", "bear"), ("val", "bus"), ("test-dev", "cows")):
        (lists / f"{name}.txt").write_text(f"{clip}\n")


def reds(root):
    _folders(root / "train_sharp", ("000", "001"), 3, "{:08d}.png")
    _folders(root / "val_sharp", ("000",), 3, "{:08d}.png")


def set8(root):
    _folders(root, ("tractor", "sunflower"), 2)


def vid4(root):
    _folders(root / "GT", ("calendar", "city"), 2)


def udm10(root):
    _folders(root / "GT", ("archpeople",), 2)


def dvd(root):
    for name in ("IMG_0003", "IMG_0004"):
        _folders(root / "quantitative_datasets" / name, ("input", "GT"), 2, "{:05d}.jpg")


def crvd(root):
    for number in (1, 7):
        place = f"scene{number}/ISO1600"
        for k in range(1, 8):
            raw = picture()[..., 0].astype(np.uint16) * 16
            noisy = root / f"indoor_raw_noisy/{place}/frame{k}_noisy0.tiff"
            image.write_image(noisy, raw)
            clean = f"frame{k}_clean_and_slightly_denoised.tiff"
            image.write_image(root / f"indoor_raw_gt/{place}/{clean}", raw)


def pairs_folder(root):
    for tag, name in ((1, "a"), (2, "b")):
        folder = root / "mine" / name
        for k in (1, 2) if name == "a" else (0, 1, 2, 3):
            image.write_image(folder / f"frame{k}.png", picture())
            image.write_image(folder / f"clean{k}.png", picture())
        flow_files.write_flow(folder / "flow.npz", flow(tag), half(rows=False) > 0)
        image.write_image(folder / "occ.png", half())
        (folder / "meta.json").write_text(json.dumps({"schema": 1, "dataset": "mine"}))
    flow_files.write_flow(root / "mine/a/flow_back.flo", flow(-1))


_BOTH = {"clean": Count(2, 5, 3), "final": Count(2, 5, 3)}
_KITTI = {"train": Count(2, 4, 2), "test": Count(2, 4, 0)}
_CLIPS = {"train": Count(2, 14, 0)}
TREES = {  # layout: (what writes it, its counts)
    "sintel": (sintel, _BOTH | {"test_clean": Count(1, 2, 0), "test_final": Count(1, 2, 0)}),
    "kitti2012": (kitti2012, _KITTI),
    "kitti2015": (kitti2015, _KITTI),
    "hd1k": (hd1k, {"train": Count(2, 5, 3)}),
    "chairs": (chairs, {"train": Count(2, 4, 2), "val": Count(1, 2, 1)}),
    "things": (
        things,
        {f"{part}_{r}": Count(1, 3, 2) for part in ("train", "test") for r in ("clean", "final")},
    ),
    "spring": (spring, {"train": Count(2, 6, 4), "test": Count(2, 6, 0)}),
    "tartanair": (tartanair, {"train": Count(2, 6, 4)}),
    "middlebury": (middlebury, {"train": Count(3, 12, 2), "test": Count(1, 2, 0)}),
    "vimeo_triplet": (vimeo_triplet, {"train": Count(2, 6, 0), "test": Count(1, 3, 0)}),
    "vimeo_septuplet": (vimeo_septuplet, {"train": Count(1, 7, 0), "test": Count(1, 7, 0)}),
    "davis": (davis, {"train": Count(2, 6, 0), "test": Count(1, 3, 0)}),
    "reds": (reds, {"train": Count(2, 6, 0), "reds4": Count(1, 3, 0)}),
    "set8": (set8, {"test": Count(2, 4, 0)}),
    "vid4": (vid4, {"gt": Count(2, 4, 0)}),
    "udm10": (udm10, {"gt": Count(1, 2, 0)}),
    "dvd": (dvd, {"train": Count(1, 2, 0), "test": Count(1, 2, 0)}),
    "crvd": (crvd, {"train": Count(1, 7, 0), "test": Count(1, 7, 0)}),
    "video_folder": (video_folder, _CLIPS),
    "youhq": (video_folder, _CLIPS),
    "youhq40": (video_folder, {"test": Count(2, 14, 0)}),
    "pairs_folder": (pairs_folder, {"train": Count(2, 6, 2)}),
}


def write(name, root):
    """Writes the small data set `name` into `root` and returns its path."""
    TREES[name][0](root / name)
    return root / name
