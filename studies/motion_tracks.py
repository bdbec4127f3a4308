"""OmniMotion: are points found again that something hid, and does depth do it?

    python -m studies.motion_tracks OUT
    python -m studies.motion_tracks OUT --docs docs/motion_tracks.md   # and a picture beside it

A textured square passes behind a bar; the flow of all pairs of frames is exact, and so is what each
pixel shows. Networks with 16 samples along a ray and with one (nothing lies behind anything) are
fitted to it. Judged are points of the square that are seen in the first frame, hidden for 2 frames
or more, and seen again at the end. Beside them: chained flow from frame to frame, and flow from the
first frame to each. The same command goes on where it was stopped.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from daflow_jax import api, errors, models, pretrained, viz
from daflow_jax.fitting.reduced import Clip
from daflow_jax.fitting.tracks import fit, pair_flow
from daflow_jax.io import atomic, image
from daflow_jax.metrics import tap_vid
from studies import page

SIZE, FRAMES = 48, 10
SQUARE, BAR = 16, 9  # sides in pixels; the bar is as high as the frame
TINTS = ((0.4, 0.5, 0.4), (1.0, 0.5, 0.1), (0.1, 0.2, 0.9))  # of background, square and bar
NEAR = 1.5  # pixels: a point is found again
ARMS = {"16 samples": 16, "one sample": 1}
SHOWN = (0, 3, 5, 7, 9)  # frames of the picture
NAMES = (*ARMS, "chained flow", "direct flow")


class Scene(NamedTuple):
    """frames: (t, h, w, 3) uint8. layer: (t, h, w) 0 background, 1 square, 2 bar. velocity: (3, 2)
    pixels a frame of each layer."""

    frames: np.ndarray
    layer: np.ndarray
    velocity: np.ndarray


def scene(seed: int) -> Scene:
    """Returns the clip of a seed."""
    rng = np.random.default_rng(seed)
    speed = rng.uniform(2.6, 3.2)
    velocity = np.array([rng.uniform(-0.5, 0.5, 2), (speed, rng.uniform(-0.4, 0.4)), (0.0, 0.0)])
    top = (SIZE - SQUARE) / 2 + rng.uniform(-5, 5)
    start = np.array([(0, 0), (1.0, top), ((SIZE - BAR) / 2, 0)])
    textures = [_texture(rng, tint) for tint in TINTS]
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    frames, layers = [], []
    for t in range(FRAMES):
        shown, layer = np.zeros((SIZE, SIZE, 3), np.float32), np.zeros((SIZE, SIZE), np.uint8)
        for number, (corner, moved) in enumerate(zip(start, velocity * t, strict=True)):
            u, v = x - moved[0], y - moved[1]
            inside = np.ones_like(layer, bool)
            if number:
                width, height = (SQUARE, SQUARE) if number == 1 else (BAR, SIZE)
                a, b = u - corner[0], v - corner[1]
                inside = (a >= 0) & (a < width) & (b >= 0) & (b < height)
            place = (np.float32(u + SIZE / 2), np.float32(v + SIZE / 2))
            found = cv2.remap(textures[number], *place, cv2.INTER_LINEAR)
            shown[inside], layer[inside] = found[inside], number
        frames.append(np.round(255 * shown).astype(np.uint8))
        layers.append(layer)
    return Scene(np.stack(frames), np.stack(layers), velocity)


def _texture(rng: np.random.Generator, tint: tuple[float, float, float]) -> np.ndarray:
    coarse = 0.5 * rng.random((SIZE // 3, SIZE // 3, 3), np.float32) + 0.5 * np.float32(tint)
    return cv2.resize(coarse, (2 * SIZE, 2 * SIZE), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def flow_between(found: Scene, first: int, second: int) -> np.ndarray:
    """Returns the exact flow (h, w, 2) of what frame `first` shows."""
    return (second - first) * found.velocity[found.layer[first]].astype(np.float32)


def seen_in(found: Scene, layers: np.ndarray, places: np.ndarray, frame: int) -> np.ndarray:
    """Returns whether points of `layers` at places (n, 2) are seen in a frame."""
    near = np.rint(places).astype(int)
    inside = np.all((near >= 0) & (near < SIZE), -1)
    x, y = near.clip(0, SIZE - 1).T
    return inside & (found.layer[frame][y, x] == layers)


def exact_flow(found: Scene) -> pair_flow.PairFlow:
    """Returns the flow of all pairs of frames, known where the point is seen in both."""
    pairs = pair_flow.pairs_within(FRAMES, FRAMES)
    y, x = np.mgrid[:SIZE, :SIZE]
    grid = np.stack([x, y], -1)
    flows, known = [], []
    for first, second in pairs:
        flow = flow_between(found, first, second)
        ends, layers = (grid + flow).reshape(-1, 2), found.layer[first].reshape(-1)
        seen = seen_in(found, layers, ends, second).reshape(SIZE, SIZE)
        flows.append(flow.astype(np.float16))
        known.append(pair_flow.SEEN * seen.astype(np.uint8))
    return pair_flow.PairFlow(pairs, np.stack(flows), np.stack(known))


class Truth(NamedTuple):
    """points: (n, 2) of frame 0. places: (n, t, 2). visible: (n, t). before: (n, t), later frames
    in which a point of the square is seen that was never hidden. again: (n, t), those in which it
    is seen after it was hidden for two frames or more."""

    points: np.ndarray
    places: np.ndarray
    visible: np.ndarray
    before: np.ndarray
    again: np.ndarray


def truth(found: Scene) -> Truth:
    """Returns what is known of every second pixel of the first frame in both directions."""
    y, x = np.mgrid[:SIZE:2, :SIZE:2]
    points = np.stack([x, y], -1).reshape(-1, 2).astype(np.float32)
    layers = found.layer[0][::2, ::2].reshape(-1)
    steps = np.arange(FRAMES)[None, :, None]
    places = points[:, None] + steps * found.velocity[layers][:, None].astype(np.float32)
    visible = np.stack([seen_in(found, layers, places[:, t], t) for t in range(FRAMES)], 1)
    hidden_before = np.cumsum(~visible, 1)
    shown = visible & (layers == 1)[:, None]
    before = shown & (hidden_before == 0) & (np.arange(FRAMES) > 0)
    return Truth(points, places, visible, before, shown & (hidden_before >= 2))


def chained(found: Scene, points: np.ndarray) -> np.ndarray:
    """Returns places (n, t, 2) by adding the flow at each place to it, frame after frame."""
    places = [points]
    for t in range(FRAMES - 1):
        flow = flow_between(found, t, t + 1)
        near = np.rint(places[-1]).astype(int).clip(0, SIZE - 1)
        places.append(places[-1] + flow[near[:, 1], near[:, 0]])
    return np.stack(places, 1)


def direct(found: Scene, points: np.ndarray) -> np.ndarray:
    """Returns places (n, t, 2) by the flow from the first frame to each."""
    x, y = points.astype(int).T
    return np.stack([points + flow_between(found, 0, t)[y, x] for t in range(FRAMES)], 1)


def fitted(found: Scene, samples: int, seed: int, folder: Path, steps: int) -> Any:
    """Returns the model of a fit, which goes on where it was."""
    if not (folder / "model").exists():
        clip = Clip(found.frames, (SIZE, SIZE))
        config = dataclasses.replace(models.preset("omnimotion-nano"), samples=samples)
        config = fit.sized(config, clip)
        settings = fit.Settings(steps=steps, seed=seed)
        folder.mkdir(parents=True, exist_ok=True)
        flow = exact_flow(found)
        variables = fit.fit(clip, flow, config, settings, folder, print)
        pretrained.save(folder / "model", config, variables, name="tracks")
    return api.load(folder / "model")


def measured(places: np.ndarray, visible: np.ndarray | None, known: Truth) -> dict[str, float]:
    """Returns the scores of places (n, t, 2); those of visibility where it is known."""
    off = np.linalg.norm(places - known.places, axis=-1)
    row = {
        "again": float(np.median(off[known.again])),
        "found": float(np.mean(off[known.again] < NEAR)),
        "before": float(np.median(off[known.before])),
        "seen": float(np.median(off[:, 1:][known.visible[:, 1:]])),
    }
    if visible is not None:
        query = np.zeros(len(places), int)
        given = places, visible, known.places, known.visible, query, (SIZE, SIZE)
        scores = tap_vid.scores(*given)
        row |= {"occlusion": scores.occlusion_accuracy, "jaccard": scores.average_jaccard}
    return row


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        rows = [_clip(seed, args) for seed in args.seeds]
        text = table(rows)
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    page.publish(text, args.out, args.docs, "tracks")
    if args.docs:
        image.write_image(args.docs.with_suffix(".jpg"), picture(args))
    return 0


def _clip(seed: int, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Returns the scores of every way on one clip, from a file if they are there."""
    file = args.out / f"clip-{seed}-{args.steps}.json"
    if file.exists():
        return json.loads(file.read_text())
    found = scene(seed)
    known = truth(found)
    args.out.mkdir(parents=True, exist_ok=True)
    image.write_image(args.out / f"clip-{seed}.png", np.concatenate(found.frames[::3], 1))
    row = {}
    for name in ARMS:
        print(f"clip {seed}, {name}", flush=True)
        tracks = _model(found, name, seed, args).track(known.points, 0)
        row[name] = measured(tracks.positions, tracks.visible, known)
    row["chained flow"] = measured(chained(found, known.points), None, known)
    row["direct flow"] = measured(direct(found, known.points), None, known)
    atomic.write_text(file, json.dumps(row, indent=1) + "\n")
    return row


def _model(found: Scene, name: str, seed: int, args: argparse.Namespace) -> Any:
    folder = args.out / f"fit-{seed}-{ARMS[name]}-{args.steps}"
    return fitted(found, ARMS[name], seed, folder, args.steps)


def picture(args: argparse.Namespace) -> np.ndarray:
    """Returns points of the first clip's square in SHOWN frames: the truth, then each way."""
    seed, scale = args.seeds[0], 3
    found = scene(seed)
    known = truth(found)
    inside = known.again.any(1)
    points, seen = known.points[inside], known.visible[inside]
    ways = {name: _model(found, name, seed, args).track(points, 0) for name in ARMS}
    rows = [(known.places[inside], seen)]
    rows += [(tracks.positions, tracks.visible) for tracks in ways.values()]
    rows += [(chained(found, points), np.ones_like(seen))]
    side = (scale * SIZE, scale * SIZE)
    frames = [cv2.resize(frame, side, interpolation=cv2.INTER_CUBIC) for frame in found.frames]
    return viz.sheet(
        [
            [viz.tracks(frames[t], scale * (places + 0.5) - 0.5, visible, t) for t in SHOWN]
            for places, visible in rows
        ]
    )


def table(rows: list[dict[str, dict[str, float]]]) -> str:
    """Returns Markdown: means over clips, and each clip in brackets."""
    heads = {
        "again": "error of the square's points seen again, px",
        "found": f"of them within {NEAR} px",
        "before": "error before it was hidden, px",
        "seen": "error of all visible points, px",
        "occlusion": "right visibility",
        "jaccard": "average Jaccard",
    }
    lines = ["| way | " + " | ".join(heads.values()) + " |", "|---" * (1 + len(heads)) + "|"]
    for name in NAMES:
        cells = []
        for key in heads:
            values = [row[name][key] for row in rows if key in row[name]]
            each = " ".join(f"{v:.2f}" for v in values)
            cells.append(f"{np.mean(values):.2f} ({each})" if values else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=lambda t: tuple(map(int, t.split(","))), default=(0, 1, 2))
    parser.add_argument("--steps", type=int, default=2000, help="of every fit (2000)")
    parser.add_argument("--docs", type=page.path, help="page to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())
