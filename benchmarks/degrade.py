"""Clips per second of one core through the published pipelines, and where the time goes.

python benchmarks/degrade.py [--recipe realbasicvsr] [--clips 30] [--size 512x512] [--frames 3]
python benchmarks/degrade.py --flops    # of the accelerator form, per clip

The ratio is against the same recipes done plainly in the same run: whole kernels with filter2D,
NumPy's Poisson and normal draws, wide blurs at full resolution, the codec through a file in memory.
Times are of the processor (`process_time`), so that a busy machine changes them little; decoding of
the clip is not part of them.
"""

import argparse
import fractions
import io
import json
import time

import cv2
import numpy as np

from daflow_jax.degrade import blur, codec, operators, pipeline


def clip(frames: int, height: int, width: int) -> np.ndarray:
    """Returns a photograph that moves, uint8."""
    from skimage import data

    picture = cv2.resize(data.astronaut(), (width, height), interpolation=cv2.INTER_AREA)
    return np.stack([np.roll(picture, (2 * k, 3 * k), (0, 1)) for k in range(frames)])


def timed(found: dict, name: str, operator: operators.Operator) -> operators.Operator:
    """Returns the operator that adds its time to found[name]."""

    def function(*args, **params):
        start = time.process_time()
        result = operator.function(*args, **params)
        found[name] = found.get(name, 0.0) + time.process_time() - start
        return result

    return operator._replace(function=function)


def run(recipes: list, frames: np.ndarray) -> tuple[float, dict]:
    """Returns seconds per clip, and the share of each operator."""
    found, before = {}, dict(operators.OPERATORS)
    operators.OPERATORS.update({n: timed(found, n, op) for n, op in before.items()})
    start = time.process_time()
    for recipe in recipes:
        pipeline.apply(recipe, frames)
    seconds = time.process_time() - start
    operators.OPERATORS.update(before)
    shares = {n: round(s / seconds, 3) for n, s in sorted(found.items(), key=lambda x: -x[1])}
    return seconds / len(recipes), shares


def plain(recipe: pipeline.Recipe) -> pipeline.Recipe:
    """Returns the recipe without its fast forms of noise and sharpening."""
    slow = {"table": False, "coarse": False}
    return pipeline.Recipe(
        tuple(
            tuple((n, {k: slow.get(k, v) for k, v in p.items()}) for n, p in chain)
            for chain in recipe.chains
        ),
        recipe.seed,
    )


def _filter(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)


def _through_a_file(frames, name, kbit_per_frame, crf=0, preset="", rate=1) -> np.ndarray:
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(name, rate=fractions.Fraction(rate))
        stream.height, stream.width, stream.pix_fmt = *codec.pad(frames).shape[1:3], "yuv420p"
        stream.codec_context.thread_count = 1
        stream.bit_rate = int(kbit_per_frame * 1000 * rate)
        for frame in codec.pad(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as container:
        container.streams.video[0].thread_count = 1
        decoded = np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
    return decoded[:, : frames.shape[1], : frames.shape[2]]


def flops(name: str, frames: int, height: int, width: int) -> float:
    """Returns the floating-point operations of the accelerator form, for one clip."""
    import jax

    from daflow_jax.degrade import device_published, published

    shape = jax.ShapeDtypeStruct((frames, height, width, 3), np.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    ranges = published.get(name)
    lowered = jax.jit(lambda k, x: device_published.degrade(k, x, ranges)).lower(key, shape)
    return float(lowered.cost_analysis()["flops"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="realbasicvsr")
    parser.add_argument("--clips", type=int, default=30)
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--flops", action="store_true", help="of the accelerator form")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    height, width = (int(n) for n in args.size.split("x"))
    row = {"recipe": args.recipe, "clip": f"{args.frames}x{args.size}"}
    if args.flops:
        row["gflop"] = round(flops(args.recipe, args.frames, height, width) / 1e9, 1)
        return print(json.dumps(row))
    frames = clip(args.frames, height, width)
    recipes = [
        pipeline.named(args.recipe, 0, np.random.default_rng(k), args.frames)
        for k in range(args.clips)
    ]
    run(recipes[:3], frames)
    seconds, shares = run(recipes, frames)
    blur.apply, codec.codec = _filter, _through_a_file
    slow, _ = run([plain(recipe) for recipe in recipes], frames)
    row |= {"ms": round(seconds * 1e3, 1), "clips_per_second": round(1 / seconds, 2)}
    row |= {"plain_ms": round(slow * 1e3, 1), "ratio": round(slow / seconds, 2), "shares": shares}
    print(json.dumps(row))


if __name__ == "__main__":
    main()
