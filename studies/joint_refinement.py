"""Does refined flow help restoration, and does restoration help flow? JFFRA's claim, measured.

    python -m studies.joint_refinement OUT                  # trains, measures, writes the page
    python -m studies.joint_refinement OUT --steps 4 --seeds 0 --arms none,fixed     # a trial

Five arms of equal parameters see the same clips for the same steps: no warp, fixed start flow,
refined flow, refined flow that is also asked for, and true flow as the ceiling; two more differ by
the temporal loss. Every arm is a run of train.py with its log beside it. The same command again
goes on where it was stopped, and finished runs are not repeated.
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

from daflow_jax import errors
from daflow_jax.io import atomic, json_file
from studies import joint_refinement_config as arms
from studies import joint_refinement_report as report
from studies import page

ROOT = Path(__file__).parents[1]
CONFIG = "studies/joint_refinement_config.py"


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        for seed in args.seeds:  # whole tables of one seed first
            for arm in args.arms:
                measured(args, arm, seed)
        report.write(args.out, args.docs)
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    return 0


def _parser() -> argparse.ArgumentParser:
    known = arms.ARMS | arms.TEMPORAL_ARMS
    listed = "; ".join(f"{name}: {text}" for name, (text, _) in known.items())
    parser = argparse.ArgumentParser(description=__doc__, epilog=f"Arms: {listed}")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("out", type=Path)
    parser.add_argument("--arms", type=_words, default=tuple(known), metavar="LIST")
    parser.add_argument("--seeds", type=_numbers, default=(0, 1, 2), metavar="LIST")
    parser.add_argument("--steps", type=int, default=1500, help="of every arm (1500)")
    parser.add_argument("--batch", type=int, default=2, help="clips (2)")
    parser.add_argument("--clips", type=int, default=48, help="of the test (48)")
    share = arms.SCENE["max_motion"]
    text = f"largest motion, as a share of the side ({share:g})"
    parser.add_argument("--motion", type=float, default=share, metavar="SHARE", help=text)
    parser.add_argument("--docs", type=page.path, help="write the page here as well (.md)")
    return parser


def _words(text: str) -> tuple[str, ...]:
    known, words = arms.ARMS | arms.TEMPORAL_ARMS, tuple(text.split(","))
    for word in words:
        if word not in known:
            raise argparse.ArgumentTypeError(f"unknown arm {word}; known: {', '.join(known)}")
    return words


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def measured(args: argparse.Namespace, arm: str, seed: int) -> dict:
    """Returns what a run of an arm found; trains and measures it unless that is done."""
    folder = args.out / f"{arm}-{seed}"
    file = folder / "measured.json"
    if file.is_file():
        return json_file.read(file)
    overrides = _overrides(args, seed)
    seconds = _train(folder, arm, overrides)
    from studies import joint_refinement_measure as measure

    print(f"{folder.name}: measuring", flush=True)
    found = measure.measure(f"{CONFIG}:{arm}", overrides, folder)
    spent = {"arm": arm, "seed": seed, "steps": args.steps, "motion": args.motion}
    spent["cpu_seconds"] = round(seconds, 1)
    atomic.write_text(file, json.dumps({**spent, **found}, indent=1) + "\n")
    return found


def _overrides(args: argparse.Namespace, seed: int) -> list[str]:
    batches = -(-args.clips // args.batch)
    return [
        f"--config.seed={seed}",
        f"--config.train.steps={args.steps}",
        f"--config.train.batch_size={args.batch}",
        f"--config.eval.batches={batches}",
        f"--config.data.scene.max_motion={args.motion}",
    ]


def _train(folder: Path, arm: str, overrides: list[str]) -> float:
    """Returns the processor time of this part of the run, in seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["--config", f"{CONFIG}:{arm}", "--workdir", str(folder.absolute()), *overrides]
    begun = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(folder / "output.txt", "a", encoding="utf-8") as log:
        print(f"{folder.name}: training", flush=True)
        done = subprocess.run(
            [sys.executable, "train.py", *words], cwd=ROOT, stdout=log, stderr=log, check=False
        )
    if done.returncode:
        rule = f"ended with exit code {done.returncode}"
        raise errors.UserError(folder / "output.txt", rule, "Read it", done.returncode)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime


if __name__ == "__main__":
    sys.exit(main())
