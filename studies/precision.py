"""The same two toys trained under every policy of precision: a restorer and a small RAFT.

    python -m studies.precision run DIR        # minutes on two CPU cores; DIR/*.json
    python -m studies.precision report DIR     # docs/precision.json, docs/precision.svg, tables
    python -m studies.precision figure         # docs/precision.svg from docs/precision.json

All runs of a toy see the same clips in the same order; runs of one seed start from the same weights
and draw the same noise. What two seeds of float32 differ by is the measure of every gap.
"""

import argparse
import dataclasses
import functools
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from daflow_jax import models, precision, tasks
from daflow_jax.input_pipeline import evaluation
from daflow_jax.input_pipeline.settings import DataConfig, DegradeConfig
from daflow_jax.models.raft.config import RAFTConfig
from daflow_jax.synthetic.scene import SceneConfig
from daflow_jax.train import optimizer as optimizers
from daflow_jax.train import state as states
from daflow_jax.train import step as steps
from studies import plots

DOCS = Path(__file__).parents[1] / "docs"
WINDOW = 20  # steps over which a loss is averaged
HELD_OUT = 8  # clips


class Run(NamedTuple):
    """One training: its policy, its seed, whether a part is frozen, the run that it is compared
    with, and whether it is of products in 8 bits, which only transformers have.
    """

    policy: str | dict[str, Any]
    seed: int = 0
    frozen: bool = False
    against: str = "float32"
    products: bool = False


RUNS = {
    "float32": Run("float32"),
    "float32, seed 1": Run("float32", 1),
    "float32, seed 2": Run("float32", 2),
    "bf16_mixed": Run("bf16_mixed"),
    "bf16_master": Run("bf16_master"),
    "bf16": Run("bf16"),
    "float32, frozen": Run("float32", frozen=True),
    "bf16_frozen": Run("bf16_frozen", frozen=True, against="float32, frozen"),
    "int8_mixed": Run("int8_mixed", products=True),
    "fp8_mixed": Run("fp8_mixed", products=True),
}


@dataclasses.dataclass(frozen=True)
class Toy:
    """A network small enough for minutes on two cores, its task and its recipe."""

    config: Any
    task: Any
    frames: int
    size: int
    clips: int  # to train on, again and again
    batch_size: int
    steps: int
    lr: float
    weight_decay: float
    frozen: tuple[str, ...]  # what the runs with a frozen part freeze
    held_out: str  # metric of the evaluation

    def optimizer(self) -> optimizers.Optimizer:
        """Returns AdamW to a rate of zero; the last of its state is the direction of the step."""
        settings = optimizers.OptimizerConfig(
            lr=self.lr,
            schedule="cosine",
            warmup_steps=self.steps // 10,
            weight_decay=self.weight_decay,
        )
        made = optimizers.make_optimizer(settings, self.steps)

        def note(updates, state, params=None):
            del state, params
            return updates, updates

        zeros = functools.partial(jax.tree.map, jnp.zeros_like)
        return made._replace(tx=optax.chain(made.tx, optax.GradientTransformation(zeros, note)))


TOYS = {
    "restorer": Toy(
        config=models.preset(
            "restorer-nano",
            **{"dit.depth": 2, "dit.heads": 2, "dit.head_dim": 16, "dit.taps": (1,)},
            **{"dit.patch_size": 8, "dit.text_width": 16, "dit.pooled_width": 16},
        ),
        task=tasks.Restoration,
        frames=2,
        size=32,
        clips=32,
        batch_size=4,
        steps=400,
        lr=1e-3,
        weight_decay=1e-2,
        frozen=("dit/blocks_0/.*",),
        held_out="psnr",
    ),
    "raft-small": Toy(
        config=RAFTConfig(
            small=True,
            widths=(8, 8, 16, 24),
            features=32,
            hidden=24,
            context=24,
            levels=3,
            radius=3,
            lookup="matmul",
        ),
        task=functools.partial(tasks.OpticalFlow, iters=3),
        frames=2,
        size=128,
        clips=8,
        batch_size=1,
        steps=240,
        lr=2e-3,
        weight_decay=1e-5,
        frozen=("cnet/.*",),
        held_out="epe",
    ),
}


@functools.cache
def clips(name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns generated clips to train on, and others to measure on."""
    toy = TOYS[name]
    scene = SceneConfig(frames=toy.frames, height=toy.size, width=toy.size)
    degrade = DegradeConfig(codec_share=0.0)
    data = DataConfig(scene=scene, degrade=degrade, keys=("lq", "hq", "flow", "valid"))
    held_out = evaluation.HeldOut(data)
    made = [held_out[number] for number in range(toy.clips + HELD_OUT)]
    stacked = {key: np.stack([clip[key] for clip in made]) for key in made[0]}
    pool = {key: x[: toy.clips] for key, x in stacked.items()}
    return pool, {key: x[toy.clips :] for key, x in stacked.items()}


def train(name: str, run: Run, measure_every: int = 20) -> dict[str, Any]:
    """Returns losses by step, figures of every part, the metric on held-out clips, seconds."""
    toy = TOYS[name]
    products = models.entry_of(toy.config).products if run.products else ()
    policy = dataclasses.replace(precision.parse(run.policy), products=products)
    module = models.build(toy.config, policy.compute)
    task, optimizer = toy.task(precision.Bound(module, policy)), toy.optimizer()
    pool, held_out = clips(name)
    init_key, run_key = jax.random.split(jax.random.key(run.seed))
    leaves = states.ParameterPartition(frozen=toy.frozen if run.frozen else (), policy=policy)
    first = jax.tree.map(lambda x: jnp.asarray(x[:1]), pool)
    create = jax.jit(
        lambda *keys: states.create(task.init(keys[0], first), keys[1], optimizer, leaves)
    )
    state = create(init_key, run_key)
    step, figures = jax.jit(steps.make_step(task, optimizer)), jax.jit(_figures)
    order, losses, parts, start = np.random.default_rng(5), [], defaultdict(list), 0.0
    for number in range(toy.steps):
        if number == 1:
            start = time.monotonic()
        rows = order.choice(toy.clips, toy.batch_size, replace=False)
        new, metrics = step(state, {key: x[rows] for key, x in pool.items()})
        if number % measure_every == measure_every - 1:
            row = jax.device_get(figures(state, new, metrics["lr"]))
            for group, values in row.items():
                parts[group].append([float(value) for value in values])
        state = new
        losses.append(float(metrics["loss"]))
    seconds = time.monotonic() - start
    evaluated = _evaluate(task, state, held_out, toy)
    return {"loss": losses, "parts": parts, "held_out": evaluated, "seconds": seconds}


def _evaluate(task, state, rows, toy) -> float:
    variables = states.variables(state)
    params = variables.pop("params")
    score = jax.jit(lambda p, x: task.evaluate(p, variables, x, jax.random.key(7))[toy.held_out])
    size = toy.batch_size
    means = [
        score(params, {k: x[i : i + size] for k, x in rows.items()})
        for i in range(0, HELD_OUT, size)
    ]
    return float(functools.reduce(lambda a, b: a.merge(b), means).compute())


FIGURES = ("asked / weight", "made / weight", "lost at rest", "unseen by the step")


def _figures(old, new, rate) -> dict[str, tuple[jax.Array, ...]]:
    """Returns, per part: norm of the update that the optimiser asked for over the norm of the
    weights; the same of the update that is left after rounding; the share of parameters that
    were to move and did not; the share whose bfloat16 copy did not.
    """
    groups = defaultdict(list)
    leaves = [jax.tree.leaves(tree) for tree in (old.params, new.params, new.opt_state[-1])]
    for path, *values in zip(states.leaf_paths(old.params), *leaves, strict=True):
        groups[part(path)].append(values)
        groups["all"].append(values)
    return {name: _group(values, rate) for name, values in groups.items()}


def _group(values, rate):
    flat = [jnp.concatenate([x.ravel().astype(jnp.float32) for x in each]) for each in zip(*values)]
    old, new, asked = flat[0], flat[1], rate * flat[2]
    norm = functools.partial(jnp.linalg.norm)
    moving = jnp.maximum(jnp.sum(asked != 0), 1)
    copies = [x.astype(jnp.bfloat16) for x in (old, new)]
    lost = jnp.sum((asked != 0) & (old == new)) / moving
    unseen = jnp.sum((asked != 0) & (copies[0] == copies[1])) / moving
    return norm(asked) / norm(old), norm(new - old) / norm(old), lost, unseen


PARTS = (  # fragments of paths -> what people call the part
    ("norm", "norms and modulations"),
    ("attn", "attention"),
    ("ff", "feed-forward"),
    ("stem", "stem"),
    ("dit/", "embeddings and head"),
    ("prompt", "prompt"),
    ("fnet", "feature encoder"),
    ("cnet", "context encoder"),
    ("update/encoder", "motion encoder"),
    ("update/gru", "GRU"),
    ("update/flow_head", "flow head"),
)


def part(path: str) -> str:
    """Returns the name of the part that a parameter belongs to."""
    return next(name for fragment, name in PARTS if fragment in path)


def smooth(values: list[float]) -> np.ndarray:
    """Returns the running mean over WINDOW steps."""
    return np.convolve(values, np.ones(WINDOW) / WINDOW, "valid")


def compare(runs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns per policy: step where its smoothed loss leaves the band that float32 seeds span
    for WINDOW steps on end (None: never), and its gap at the end, relative, beside the band's.
    """
    seeds = np.stack([smooth(run["loss"]) for name, run in runs.items() if _plain(name)])
    band = np.ptp(seeds, axis=0)
    found = {}
    for name, run in runs.items():
        if _plain(name):
            continue
        exact = smooth(runs[RUNS[name].against]["loss"])
        gap = np.abs(smooth(run["loss"]) - exact)
        beyond = np.convolve(gap > band, np.ones(WINDOW), "valid") == WINDOW
        found[name] = {
            "parts_at": int(np.argmax(beyond)) + WINDOW if beyond.any() else None,
            "first_percent": int(np.argmax(gap > 0.01 * exact)) + WINDOW,
            "gap_at_end": float(np.mean((smooth(run["loss"]) - exact)[-50:] / exact[-50:])),
            "band_at_end": float(np.mean(band[-50:] / seeds.mean(0)[-50:])),
        }
    return found


def _plain(name: str) -> bool:
    return RUNS[name].policy == "float32" and not RUNS[name].frozen


def report(folder: Path) -> None:
    """Writes docs/precision.json and docs/precision.svg, and prints the tables of the page; a toy
    without runs in the folder stays as it was.
    """
    stored = json.loads((DOCS / "precision.json").read_text())["toys"]
    out = {}
    for toy in TOYS:
        runs = {
            name: json.loads((folder / _file(toy, name)).read_text())
            for name in RUNS
            if (folder / _file(toy, name)).exists()
        }
        if not runs:
            out[toy] = stored[toy]
            continue
        compared = compare(runs)
        out[toy] = {
            name: {
                "loss": [round(float(x), 5) for x in smooth(run["loss"])[::WINDOW]],
                "held_out": round(run["held_out"], 4),
                "seconds": round(run["seconds"], 1),
                "parts": {k: np.round(np.mean(v, 0), 6).tolist() for k, v in run["parts"].items()},
                "late": {k: np.round(v[-2], 6).tolist() for k, v in run["parts"].items()},
                **compared.get(name, {}),
            }
            for name, run in runs.items()
        }
        _print(toy, out[toy])
    text = json.dumps({"figures": FIGURES, "window": WINDOW, "toys": out}, indent=1)
    (DOCS / "precision.json").write_text(text + "\n")
    figure()


def figure() -> None:
    """Draws docs/precision.svg from docs/precision.json; further seeds are grey."""
    stored = json.loads((DOCS / "precision.json").read_text())
    window, panels = stored["window"], []
    for toy, runs in stored["toys"].items():
        lines = {
            name: ([window * (i + 1) for i in range(len(run["loss"]))], run["loss"])
            for name, run in runs.items()
        }
        panels.append(plots.Panel(f"{toy}: loss by step", lines))
    seeds = {name: "#c4c4c4" for name in RUNS if "seed" in name}
    colour = plots.colours(name for name in RUNS if name not in seeds) | seeds
    drawn = plots.small_multiples(
        panels, colour, columns=2, labels=("step", "loss, mean of a window"), size=(4.4, 3.2)
    )
    plots.save(drawn, DOCS / "precision.svg")


def _print(toy: str, runs: dict[str, Any]) -> None:
    print(f"\n{toy}\n\n| run | last loss | {TOYS[toy].held_out} | gap | band | parts at |")
    for name, run in runs.items():
        gap = [f"{run[k]:.2%}" if k in run else "" for k in ("gap_at_end", "band_at_end")]
        parts = run["parts_at"] if "parts_at" in run else ""
        print("|", " | ".join(map(str, (name, run["loss"][-1], run["held_out"], *gap, parts))), "|")
    print("\n| run | part |", " | ".join(FIGURES), "| (mean; near the end)")
    for name, run in runs.items():
        for key, mean in run["parts"].items():
            print(
                "|",
                name,
                "|",
                key,
                "|",
                " | ".join(
                    f"{a:.2g}; {b:.2g}" for a, b in zip(mean, run["late"][key], strict=True)
                ),
                "|",
            )


def _file(toy: str, name: str) -> str:
    return f"{toy}-{name.replace(', ', '-').replace(' ', '')}.json"


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the toys, or reports on them.")
    parser.add_argument("what", choices=("run", "report", "figure"))
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--toy", choices=tuple(TOYS), action="append")
    args = parser.parse_args()
    if args.what == "figure":
        figure()
        return
    if args.folder is None:
        parser.error(f"{args.what} needs the folder of the runs")
    if args.what == "report":
        report(args.folder)
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    for toy in args.toy or TOYS:
        for name, run in RUNS.items():
            file = args.folder / _file(toy, name)
            lacks = run.products and not models.entry_of(TOYS[toy].config).products
            if file.exists() or lacks:
                continue
            result = train(toy, run)
            file.write_text(json.dumps(result))
            last = np.mean(result["loss"][-WINDOW:])
            print(f"{toy}, {name}: {result['seconds']:.0f} s, loss {last:.5g}", flush=True)


if __name__ == "__main__":
    main()
