"""DoRA's tracker: do the masks of attention stay on an object through a clip?

    python -m studies.motion_tubes OUT
    python -m studies.motion_tubes OUT --docs docs/motion_features.md

For every seed a small transformer learns the generator's classes at its patches, and another one
stays random; --dora DIR adds the teacher of a run of configs/dora/nano.py. On held-out clips the
masks of the last block's heads are compared with the instance that each fits best in the first
frame. Controls: the first frame's masks in every frame, and heads exchanged between frames. The
same command goes on where it was stopped.
"""

import argparse
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

from daflow_jax import api, errors, models
from daflow_jax.io import atomic
from daflow_jax.ops import object_tubes
from daflow_jax.synthetic import host, scene
from studies import page, plots

FRAMES, SIZE = 4, 64
CLASSES = 7


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        rows = {}
        for seed in args.seeds:
            for name in ("pre-trained", "random", *(["dora"] if args.dora else [])):
                rows.setdefault(name, []).append(_measured(name, seed, args))
        text = table(rows)
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    page.publish(text, args.out, args.docs, "dora")
    if args.docs:
        plots.save(figure(rows), args.docs.with_name(f"{args.docs.stem}_dora.svg"))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=lambda t: tuple(map(int, t.split(","))), default=(0, 1, 2))
    parser.add_argument("--steps", type=int, default=3000, help="of the pre-training (3000)")
    parser.add_argument("--batch", type=int, default=16, help="frames (16)")
    parser.add_argument("--clips", type=int, default=200, help="to measure on (200)")
    parser.add_argument("--dora", default="", help="model folder of a run of configs/dora")
    parser.add_argument("--docs", type=page.path, help="page to write; a figure beside it")
    return parser


def _measured(name, seed, args) -> dict[str, list[float]]:
    """Returns IoU frame by frame of the tracker and of its controls, from a file if it is there."""
    file = args.out / f"{name}-{seed}.json"
    if file.exists():
        return json.loads(file.read_text())
    print(file, flush=True)
    if name == "dora":
        loaded = api.load(args.dora)
        module, variables = loaded.module, loaded.variables
    else:
        module = models.build(models.preset("vit-nano"))
        variables = _start(module, seed)
        if name == "pre-trained":
            variables = _taught(module, variables, seed, args)
    found = _followed(module, variables, seed, args.clips)
    atomic.write_text(file, json.dumps(found, indent=1) + "\n")
    return found


def _start(module, seed):
    frames = jnp.zeros((1, 1, SIZE, SIZE, 3))
    return module.init(jax.random.key(seed), frames)


def _clip(seed: int, index: int, frames: int) -> dict[str, np.ndarray]:
    config = scene.SceneConfig(frames, SIZE, SIZE, still_share=0.0, max_motion=0.1)
    return host.clip(config, seed, index, backward=False)


def _taught(module, variables, seed, args):
    """Returns the network after learning the class in the middle of every patch."""
    patch, width = module.config.patch, module.config.width
    params = {"body": variables["params"], "out": jnp.zeros((width, CLASSES))}
    adam = optax.adam(optax.cosine_decay_schedule(1e-3, args.steps))

    def loss(params, images, labels):
        maps = module.apply({"params": params["body"]}, images[:, None])[:, 0]
        scores = maps @ params["out"]
        return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()

    @jax.jit
    def step(params, state, images, labels):
        update, state = adam.update(jax.grad(loss)(params, images, labels), state)
        return optax.apply_updates(params, update), state

    state = adam.init(params)
    for number in range(args.steps):
        first = number * args.batch
        clips = [_clip(1000 + seed, first + k, 2) for k in range(args.batch)]
        images, classes = (np.stack([c[key][0] for c in clips]) for key in ("hq", "classes"))
        labels = classes[:, patch // 2 :: patch, patch // 2 :: patch]
        params, state = step(params, state, images, labels)
    return {"params": params["body"]}


def _followed(module, variables, seed, count) -> dict[str, list[float]]:
    """Returns mean IoU with the instance of the first frame, by frame: of tubes, of the masks of
    frame 0 kept, and of tubes whose heads are exchanged after frame 0.
    """
    patch = module.config.patch
    run = jax.jit(lambda v, frames, chosen: _tubes(module, v, frames, chosen))
    scores: dict[str, list[np.ndarray]] = {"tubes": [], "static": [], "exchanged": []}
    rng = np.random.default_rng(seed)
    for index in range(count):
        clip = _clip(scene.EVAL_SEED, index, FRAMES)
        chosen = rng.permutation(module.config.heads)[:3]
        masks = np.asarray(run(variables, clip["hq"], chosen))
        instances = clip["instances"][:, patch // 2 :: patch, patch // 2 :: patch]
        target = [_best(mask, instances[0]) for mask in masks[0]]
        static = np.broadcast_to(masks[:1], masks.shape)
        exchanged = np.concatenate([masks[:1], np.roll(masks[1:], 1, axis=1)])
        for name, kind in (("tubes", masks), ("static", static), ("exchanged", exchanged)):
            scores[name].append(_overlaps(kind, instances, target))
    return {name: np.nanmean(np.stack(each), (0, 2)).tolist() for name, each in scores.items()}


def _tubes(module, variables, frames, chosen):
    tokens = module.apply(variables, frames, method="tokens")
    seen, grid = tokens.attended, tokens.patches.shape[1:3]
    tubes = object_tubes.find(
        seen.class_attention[:1, :, 1:],
        seen.query[:1, :, 1:],
        tokens.patches[:1].reshape(1, -1, tokens.patches.shape[-1]),
        seen.key[:, None, :, 1:],
        chosen,
    )
    return tubes.mask[:, 0].reshape(len(frames), -1, *grid)


def _best(mask, instances) -> int:
    numbers = np.unique(instances)
    return int(max(numbers, key=lambda number: _iou(mask, instances == number)))


def _overlaps(masks, instances, target) -> np.ndarray:
    """Returns (frames, objects); NaN where the instance cannot be seen."""
    out = np.full(masks.shape[:2], np.nan)
    for t, frame in enumerate(masks):
        for k, mask in enumerate(frame):
            true = instances[t] == target[k]
            if true.any():
                out[t, k] = _iou(mask, true)
    return out


def _iou(a, b) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def figure(rows: dict[str, list[dict[str, list[float]]]]) -> Figure:
    """Returns a panel for each network: IoU in per cent by frame, means over seeds."""
    frames, names = range(FRAMES), list(next(iter(rows.values()))[0])
    panels = [
        plots.Panel(
            network,
            {x: (frames, 100 * np.mean([seed[x] for seed in seeds], 0)) for x in names},
        )
        for network, seeds in rows.items()
    ]
    labels = "frame", "IoU with the instance of frame 0, %"
    colours = plots.colours(names)
    return plots.small_multiples(panels, colours, columns=len(panels), labels=labels, log=False)


def table(rows: dict[str, list[dict[str, list[float]]]]) -> str:
    """Returns Markdown: IoU in per cent at every frame, mean and deviation over seeds."""
    lines = [
        "| network | masks | " + " | ".join(f"frame {t}" for t in range(FRAMES)) + " | seeds |",
        "|---" * (FRAMES + 3) + "|",
    ]
    for name, seeds in rows.items():
        for masks in seeds[0]:
            values = 100 * np.array([seed[masks] for seed in seeds])
            spread = values.std(0, ddof=len(values) > 1)
            cells = (f"{m:.1f} ± {s:.1f}" for m, s in zip(values.mean(0), spread, strict=True))
            lines.append(f"| {name} | {masks} | " + " | ".join(cells) + f" | {len(values)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
