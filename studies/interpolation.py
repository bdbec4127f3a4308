"""What flow, mask and refinement are worth to a frame in the middle, clean and degraded.

    python -m studies.interpolation OUT --rife models/rife-4.0 [--restorer DIR] [--docs FILE]

Clips of the generator have exact flow from the middle frame to both ends and exact occlusion. Every
way of making the middle frame sees the same two ends, degraded as one clip; it is judged by the
clean middle, by region. One file a clip and condition: the same command goes on where it was
stopped, and writes the tables when all are there.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import daflow_jax
from daflow_jax.evaluate.degradations import Degradation
from daflow_jax.io import atomic
from daflow_jax.synthetic import host, scene
from studies import interpolation_methods as methods
from studies import page as pages

SEED = scene.EVAL_SEED + 22  # clips that no training has seen
RECIPE = "combined"


def conditions(severities: list[int]) -> list[Degradation]:
    """Returns clean and the severities asked for."""
    return [Degradation("clean", 0.0), *(Degradation(RECIPE, float(s)) for s in severities)]


def clip(size: int, number: int) -> dict[str, np.ndarray]:
    """Returns clip `number` with everything the generator knows of it."""
    settings = scene.SceneConfig(
        frames=3, height=size, width=size, max_motion=0.08, min_motion=0.2, illumination=0.02
    )
    return host.clip(settings, SEED, number, backward=True)


def ends(found: dict[str, np.ndarray], degradation: Degradation, number: int) -> np.ndarray:
    """Returns the first and the last frame (2, h, w, 3), degraded, float32 in [0, 1]."""
    if degradation.recipe == "clean":
        return found["hq"][::2]
    frames = np.round(255 * found["hq"]).astype(np.uint8)
    return degradation.apply(frames, number, found["flow"][0])[::2].astype(np.float32) / 255


def restored_first(frames: np.ndarray, restorer: Any) -> np.ndarray:
    """Returns both ends (2, h, w, 3) restored, of the same size: larger results are averaged."""
    size = frames.shape[2], frames.shape[1]
    larger = [np.asarray(restorer(frame[None]), np.float32)[0] for frame in frames]
    return np.stack([cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in larger])


def measure(found, frames, network, flow_model) -> dict[str, dict[str, list[float]]]:
    """Returns way -> region -> (sum of squared errors, values) of the middle frame."""
    truth, masks = found["hq"][1], methods.regions(found)
    out: dict[str, dict[str, list[float]]] = {}
    for way, frame in methods.candidates(found, frames, network, flow_model).items():
        error = np.square(frame.astype(np.float64) - truth).sum(-1)
        out[way] = {
            region: [float(error[mask].sum()), 3 * int(mask.sum())]
            for region, mask in masks.items()
        }
    return out


def table(results: list[dict[str, Any]]) -> str:
    """Returns the PSNR (dB) of every way by region, over the pixels of all clips."""
    lines = ["| way | " + " | ".join(methods.REGIONS) + " |"]
    lines.append("|---|" + "---:|" * len(methods.REGIONS))
    for way in results[0]:
        cells = [_psnr(results, way, region) for region in methods.REGIONS]
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _psnr(results: list[dict[str, Any]], way: str, region: str) -> str:
    error, values = np.sum([result[way][region] for result in results], 0)
    return f"{-10 * np.log10(error / values):.2f}" if values else "-"


def overview(found: dict[str, list[dict[str, Any]]]) -> str:
    """Returns the PSNR (dB) over all pixels, ways by conditions."""
    ways = next(iter(found.values()))[0]
    rows = ["| way | " + " | ".join(found) + " |", "|---|" + "---:|" * len(found)]
    for way in ways:
        rows.append(f"| {way} | " + " | ".join(_psnr(own, way, "all") for own in found.values()))
        rows[-1] += " |"
    return "\n".join(rows)


def page(out: Path, args: argparse.Namespace, names: list[str]) -> str:
    """Returns the tables of a study whose files are all there."""
    numbers = range(args.clips)
    found = {n: [json.loads(_file(out, n, i).read_text()) for i in numbers] for n in names}
    parts = [f"## {name}\n\n{table(results)}" for name, results in found.items()]
    tables = "\n\n".join(parts)
    first = next(iter(found.values()))
    hidden, pixels = (sum(r["mean of the ends"][k][1] for r in first) for k in ("occluded", "all"))
    restorer = f", restored first by `{Path(args.restorer).name}`" if args.restorer else ""
    return f"""{args.clips} generated clips of {args.size} x {args.size}, network
`{Path(args.rife).name}`, estimated flow by `{args.flow}`{restorer}. Estimated flow runs from
one end to the other; motion is taken to be straight. PSNR in dB against the clean middle frame over
the pixels of all clips. Occluded pixels ({hidden / pixels:.1%}) are hidden in at least one of the
two end frames; boundary pixels are within {methods.NEAR} px of an object's edge and not occluded.

## All pixels

{overview(found)}

{tables}"""


def _file(out: Path, name: str, number: int) -> Path:
    return out / name.replace(":", "_").replace(", ", "_") / f"clip_{number:04d}.json"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--rife", required=True, help="model folder of a RIFE with a U-Net")
    parser.add_argument("--flow", default=daflow_jax.DEFAULT_MODEL, help="optical flow model")
    parser.add_argument("--restorer", help="model folder: degraded ends are restored first as well")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--severities", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    parser.add_argument("--docs", type=pages.path, help="page to write")
    return parser.parse_args()


def main() -> int:
    args = _arguments()
    network = methods.Network(daflow_jax.load(args.rife))
    flow_model = daflow_jax.load(args.flow)
    restorer = daflow_jax.load(args.restorer) if args.restorer else None
    names = []
    for condition in conditions(args.severities):
        restored = (
            (False, True) if restorer is not None and condition.recipe != "clean" else (False,)
        )
        for first in restored:
            names.append(f"{condition}" + (", restored first" if first else ""))
            for number in range(args.clips):
                file = _file(args.out, names[-1], number)
                if file.exists():
                    continue
                found = clip(args.size, number)
                frames = ends(found, condition, number)
                if first and restorer is not None:
                    frames = restored_first(frames, restorer)
                result = measure(found, frames, network, flow_model)
                atomic.write_text(file, json.dumps(result))
                print(f"{names[-1]}: {number + 1}/{args.clips}", file=sys.stderr, flush=True)
    text = page(args.out, args, names)
    print(text)
    if args.docs:
        pages.fill(args.docs, "tables", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
