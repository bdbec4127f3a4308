"""How much a frame-wise restorer flickers on real video, with and without flow that guides it.

    python -m studies.flicker carphone_distorted.mp4 --model realesrgan --frames 24 \\
        --reference carphone_pristine.mp4 --out runs/flicker

Restores the first frames once (kept in OUT/restored.npz, so that a second run goes on), guides them
with every weight, and writes OUT/flicker.md and OUT/strip.png. OPW is in grey levels of 255, with
flow and mask of the reference (the video itself, if none is better) enlarged to the size of the
result. "sharpness" is the mean absolute difference of neighbours, in grey levels. "PSNR" compares
results averaged down to the size of the reference.
"""

import argparse
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import DEFAULT_MODEL, api
from daflow_jax.io import atomic, image, video
from daflow_jax.metrics import flicker, psnr
from daflow_jax.predict.restoration import guidance

STRIP = 5  # frames shown


def main() -> None:
    args = _arguments()
    out = Path(args.out)
    frames = _frames(args.video, args)
    reference = _frames(args.reference, args) if args.reference else frames
    flow_model = api.load(DEFAULT_MODEL)
    plain = _restored(out / "restored.npz", frames, args.model)
    opw = Reference(reference, flow_model, plain.shape[1:3])
    kinds = {"input, bicubic": opw.enlarged(frames), "restored": plain}
    for weight in args.weights:
        made = (guidance.Made(f, r) for f, r in zip(frames, plain, strict=True))
        guided = guidance.guided(made, guidance.Guide(flow_model, weight))
        kinds[f"guided {weight:g}"] = np.stack(list(guided))
    lines = ["| result | OPW | sharpness | PSNR |", "|---|---:|---:|---:|"]
    for name, result in kinds.items():
        row = opw(result), _sharpness(result), _psnr(result, reference)
        lines.append(f"| {name} | {row[0]:.3f} | {row[1]:.2f} | {row[2]:.2f} |")
        print(lines[-1], flush=True)
    atomic.write_text(out / "flicker.md", "\n".join(lines) + "\n")
    image.write_image(out / "strip.png", _strip(list(kinds.values())))


class Reference:
    """OPW of results by flow and mask of reference frames.

    Args:
        frames: uint8 (t, h, w, 3). size: (height, width) of the results.
    """

    def __init__(self, frames: np.ndarray, flow_model: api.FlowModel, size: tuple[int, int]):
        self._size = size
        self._frames = self.enlarged(frames)
        scale = size[0] / frames.shape[1]
        flows = flow_model(frames[::-1])[::-1]  # of every frame but the first, to the one before
        flow = jax.image.resize(jnp.asarray(flows), (len(flows), *size, 2), "linear")
        self._flow = np.asarray(scale * flow)

    def enlarged(self, frames: np.ndarray) -> np.ndarray:
        """Returns uint8 frames at the size of the results (bicubic)."""
        shape = (len(frames), *self._size, 3)
        large = jax.image.resize(jnp.asarray(frames, jnp.float32), shape, "cubic")
        return np.asarray(jnp.clip(jnp.rint(large), 0, 255)).astype(np.uint8)

    def __call__(self, result: np.ndarray) -> float:
        """Returns the mean over neighbouring frames, in grey levels."""
        values = []
        for k, (before, now) in enumerate(itertools.pairwise(range(len(result)))):
            arrays = result[now], result[before], self._frames[now], self._frames[before]
            a, b, c, d = (jnp.asarray(x, jnp.float32) / 255 for x in arrays)
            values.append(float(flicker.opw(a, b, c, d, jnp.asarray(self._flow[k]))))
        return float(np.mean(values))


def _sharpness(result: np.ndarray) -> float:
    values = result.astype(np.float32)
    return float(sum(np.abs(np.diff(values, axis=axis)).mean() for axis in (1, 2)) / 2)


def _psnr(result: np.ndarray, reference: np.ndarray) -> float:
    t, h, w, _ = reference.shape
    scale = result.shape[1] // h
    small = result.reshape(t, h, scale, w, scale, 3).mean((2, 4))
    pair = (jnp.asarray(x, jnp.float32) / 255 for x in (small, reference))
    return float(jnp.mean(psnr(*pair)))


def _restored(path: Path, frames: np.ndarray, model: str) -> np.ndarray:
    if path.exists():
        kept = np.load(path)["restored"]
        if len(kept) == len(frames):
            return kept
    restorer = api.load(model, "restoration", log=print)
    results = []
    for result in restorer.stream(frames, levels=True):
        results.append(result)
        print(f"{len(results)} of {len(frames)}", flush=True)
    restored = np.stack(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, restored=restored)
    return restored


def _strip(kinds: list[np.ndarray]) -> np.ndarray:
    """Returns a part of the first frames of every kind, and at the right one row over time."""
    _, height, width, _ = kinds[0].shape
    side = min(192, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    rows = []
    for result in kinds:
        part = result[:, top : top + side, left : left + side]
        slices = part[:, side // 2].repeat(max(side // len(part), 1), axis=0)[:side]
        slices = np.pad(slices, ((0, side - len(slices)), (0, 0), (0, 0)))
        rows.append(np.concatenate([*part[:STRIP], slices], axis=1))
    return np.concatenate(rows)


def _frames(path: str, args: argparse.Namespace) -> np.ndarray:
    found = [frame for frame in itertools.islice(video.frames(path), args.frames)]
    frames = np.stack(found)
    if args.crop is None:
        return frames
    top, left, height, width = args.crop
    return frames[:, top : top + height, left : left + width]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("video")
    parser.add_argument("--model", required=True)
    parser.add_argument("--reference")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--crop", type=int, nargs=4, metavar=("TOP", "LEFT", "HEIGHT", "WIDTH"))
    parser.add_argument("--weights", type=float, nargs="+", default=[0.5, 0.7, 0.9])
    parser.add_argument("--out", default="runs/flicker")
    return parser.parse_args()


if __name__ == "__main__":
    main()
