"""Finds the severities of single corruptions on photographs, and shows what they do.

python -m studies.corruptions --write    # finds the knobs: daflow_jax/degrade/corruption_table.py
python -m studies.corruptions --docs     # measures them: docs/degradations.md and .jpg

Needs scikit-image, whose photographs serve (astronaut, chelsea, coffee, rocket, motorcycle),
brought to a height of 256, as clips of 3 frames that move by (6, 4) pixels a frame.
"""

import argparse
import itertools
import pathlib

import cv2
import jax
import numpy as np
from skimage import data

from daflow_jax.degrade import chains, corruption_table, corruptions, pipeline, published
from daflow_jax.metrics import image as metrics
from studies import page

ROOT = pathlib.Path(__file__).parents[1]
TABLE = ROOT / "daflow_jax/degrade/corruption_table.py"
DOCS, SHEET = ROOT / "docs/degradations.md", ROOT / "docs/degradations.jpg"
PICTURES = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle")
STEP, FRAMES, POINTS, SEEDS = (6, 4), 3, 13, 6
RANGES = {  # of the knobs, mild to severe
    "defocus_blur": (0.5, 12),
    "gaussian_blur": (0.3, 8),
    "glass_blur": (0.3, 10),
    "motion_blur": (1.5, 40),
    "zoom_blur": (0.004, 0.3),
    "brightness": (0.005, 1.5),
    "contrast": (0.97, 0.1),
    "saturate": (1.1, 30),
    "gaussian_noise": (2, 60),
    "impulse_noise": (0.001, 0.2),
    "shot_noise": (5000, 10),
    "speckle_noise": (0.01, 1.0),
    "elastic_transform": (0.2, 6),
    "jpeg_compression": (95, 1),
    "pixelate": (1.02, 14),
    "spatter": (0.01, 0.6),
    "h264_compression": (18, 51),
    "hevc_compression": (18, 51),
    "low_light": (0.95, 0.01),
    "down_up_scaling": (1.2, 12),
    "true_motion_blur": (0.1, 8),
}
WHOLE = ("jpeg_compression", "h264_compression", "hevc_compression")  # whole numbers


def photograph(name: str, height: int = 256) -> np.ndarray:
    """Returns a photograph, uint8 (height, w, 3)."""
    picture = data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(data, name)()
    width = round(picture.shape[1] * height / picture.shape[0])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def clips() -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns (frames, true flow) of each photograph."""
    found = []
    for picture in map(photograph, PICTURES):
        (dx, dy), (height, width) = STEP, picture.shape[:2]
        height, width = height - dy * (FRAMES - 1), width - dx * (FRAMES - 1)
        frames = [picture[dy * k :, dx * k :][:height, :width] for k in range(FRAMES)]
        flow = np.broadcast_to(-np.float32(STEP), (FRAMES - 1, height, width, 2))
        found.append((np.stack(frames), flow))
    return found


_ssim, _psnr = jax.jit(metrics.ssim), jax.jit(metrics.psnr)


def scores(recipe: pipeline.Recipe, frames: np.ndarray, flow: np.ndarray) -> tuple[float, float]:
    """Returns PSNR and SSIM of the degraded frames, means over frames."""
    worse = pipeline.apply(recipe, frames, flow=flow)
    pictures = [np.float32(x) / 255 for x in (worse, frames)]
    return float(_psnr(*pictures).mean()), float(_ssim(*pictures).mean())


def mean_scores(make, seeds: int = 1) -> np.ndarray:
    """Returns mean PSNR and SSIM over the clips; `make` turns a Generator into a recipe."""
    rows = [
        scores(make(np.random.default_rng(seed)), *clip)
        for clip, seed in itertools.product(clips(), range(seeds))
    ]
    return np.mean(rows, 0)


def with_knob(name: str, knob: float):
    """Returns a function from a Generator to the recipe with that knob or strength."""
    if name in published.PIPELINES:
        ranges = published.graded(published.get(name), knob)
        return lambda rng: pipeline.Recipe(chains.sample(ranges, rng, FRAMES, ranges.mode), 1)
    return lambda rng: pipeline.Recipe((corruptions.with_knob(name, knob, rng),), 1)


def measured_knobs(name: str) -> list[float]:
    """Returns the knobs whose mean SSIM comes nearest to the targets."""
    is_pipeline = name in published.PIPELINES
    knobs = np.linspace(0, 1, 9) ** 2 if is_pipeline else np.geomspace(*RANGES[name], POINTS)
    if name in WHOLE:
        knobs = np.unique(np.round(knobs))[:: 1 if knobs[0] < knobs[-1] else -1]
    seeds = SEEDS if is_pipeline else 1
    found = [mean_scores(with_knob(name, knob), seeds)[1] for knob in knobs]
    falling = np.minimum.accumulate(found)
    wanted = np.interp(-np.array(corruption_table.TARGETS), -falling, knobs)
    if is_pipeline:
        wanted[0] = 0  # the mild end: a strength just above it already resamples
    print(f"{name:20s}", *(f"{k:.3g}:{s:.3f}" for k, s in zip(knobs, found, strict=True)))
    return [float(round(k)) if name in WHOLE else float(f"{k:.3g}") for k in wanted]


def write() -> None:
    """Writes the table of knobs."""

    def block(title: str, names) -> str:
        rows = "".join(f'    "{name}": {tuple(measured_knobs(name))},\n' for name in names)
        return f"{title}: dict[str, tuple[float, ...]] = {{\n{rows}}}\n"

    head = '"""The knob of each corruption at severity 1 to 5, and its SSIM there.\n\n'
    head += (
        "Made by `python -m studies.corruptions --write`, on photographs; do not edit.\n"
        + '"""\n\n'
    )
    text = head + f"TARGETS = {corruption_table.TARGETS}  # SSIM at severity 1 to 5\n"
    text += block("KNOBS", corruptions.NAMES) + block("STRENGTHS", published.PIPELINES)
    TABLE.write_text(text)


def document() -> None:
    """Writes the table of results into the document, between its marks, and the contact sheet."""
    rows = ["| corruption | 1 | 2 | 3 | 4 | 5 |", "|---|---|---|---|---|---|"]
    for name in (*corruptions.NAMES, *published.PIPELINES):
        seeds = SEEDS if name in published.PIPELINES else 1
        cells = []
        for severity in range(1, 6):
            psnr, ssim = mean_scores(
                lambda rng, n=name, s=severity: pipeline.named(n, s, rng), seeds
            )
            cells.append(f"{psnr:.1f} / {ssim:.2f}")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
        print(rows[-1])
    page.fill(DOCS, "severities", "\n".join(rows))
    sheet()


def sheet(size: int = 96) -> None:
    """Writes the contact sheet: a row for each corruption, severities 1, 3 and 5."""
    (frames, flow), *_ = clips()
    height, width = frames.shape[1:3]
    top, left = 20, (width - 150) // 2
    tiles = []
    for name in (*corruptions.NAMES, *published.PIPELINES):
        label = np.full((size, 150, 3), 255, np.uint8)
        text = name.replace("_", " ")
        cv2.putText(label, text, (4, size // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, 16)
        row = [label]
        for severity in (1, 3, 5):
            recipe = pipeline.named(name, severity, np.random.default_rng(2))
            worse = pipeline.apply(recipe, frames, flow=flow)[1]
            cut = worse[top : top + 150, left : left + 150]
            row.append(cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA))
        tiles.append(np.concatenate(row, 1))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % 3)
    third = len(tiles) // 3
    picture = np.concatenate(
        [np.concatenate(tiles[k * third : (k + 1) * third], 0) for k in range(3)], 1
    )
    cv2.imwrite(str(SHEET), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="find the knobs and write the table")
    parser.add_argument("--docs", action="store_true", help="measure the table, draw the sheet")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.write:
        write()
    if args.docs:
        document()


if __name__ == "__main__":
    main()
