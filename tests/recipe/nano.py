"""What the chain of docs/recipe.md becomes at nano size: the words of its commands that change.

    python -m tests.recipe.nano python train.py --config ...   # what the shell of the test runs
    python -m tests.recipe.nano daflow eval ...

Everything that is not named here runs as it stands on the page.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from daflow_jax import pretrained
from tests import shipped, xla
from tests.train import launcher

ROOT = launcher.ROOT
DAFLOW = str(Path(sys.executable).with_name("daflow"))
SMALL = {"depth": 5, "heads": 2, "head_dim": 8, "text_width": 8, "pooled_width": 8}
OWN = {"lq_key": "own", "taps": "(0,1,2,3)", "remat": "none"}
STEPS = [  # of every training: two steps of two clips of 128 x 128, here
    "--config.train.steps=2",
    "--config.train.batch_size=2",
    "--config.data.num_workers=0",
    "--config.data.scene.height=128",
    "--config.data.scene.width=128",
    "--config.data.scene.num_textures=4",
    "--config.data.scene.texture_size=128",
    "--config.eval.batches=1",
    "--config.eval.every=0",
    "--config.log.every=1",
    "--config.log.pictures_every=0",
    "--config.mesh.data=-1",
    "--config.mesh.fsdp=1",
    "--config.train.accumulate=1",
    "--config.precision=f32",
]


def sizes(prefix: str) -> list[str]:
    """Returns the flags of a small transformer."""
    return [f"--config.model.{prefix}{name}={value}" for name, value in (SMALL | OWN).items()]


TRAININGS = {  # file: (processes, changed flags)
    "restore.py": (1, [*STEPS, *sizes("dit.")]),
    "lift_base.py": (
        1,
        [*STEPS, "--config.model.name=restorer-small", *sizes("dit.")]
        + ["--config.optimizer.frozen=()"],  # it has no autoencoder
    ),
    "flow_base.py": (
        2,
        [*STEPS, "--config.model.name=daflow-small", "--config.task.iters=2"]
        + [flag for flag in sizes("backbone.dit.") if "remat" not in flag],
    ),
}
TEACHER = pretrained.DEFAULT_MODEL  # and the RAFT in it, for both published RAFTs


def python(words: list[str]) -> int:
    """Runs a command that begins with `python`."""
    if words[:2] == ["-m", "data.build"]:
        words = [word.replace("num_workers=16", "num_workers=2") for word in words]
        interpreter = os.environ["BEAM_PYTHON"]
        return subprocess.run([interpreter, *words], cwd=ROOT, env=_environment()).returncode
    file = words[words.index("--config") + 1].partition(":")[0]
    count, flags = TRAININGS[Path(file).name]
    workdir = words.index("--workdir")
    command = [*words[:workdir], *words[workdir + 2 :], *flags]
    ended = launcher.finish(launcher.start(command, words[workdir + 1], count, 1), 600)
    for code, said in ended:
        print(code, said)
    return max(code for code, _ in ended)


def daflow(words: list[str]) -> int:
    """Runs a command that begins with `daflow`."""
    if words[:2] == ["convert", "weights"]:
        return _convert(words)
    if words[0] == "export" and words[2].endswith("models/dit4sr"):
        return 0  # the restorer that was trained in its place comes later
    if words[0] == "export" and words[-1].endswith("restorer-small"):
        words = [*words[:-1], words[-1].replace("restorer-small", "dit4sr")]
    if words[:2] == ["data", "label"]:
        words += ["--iters", "2", "--max-size", "128"]
    if words[0] == "eval":
        words += ["--iters", "2", "--limit", "2", "--quiet"]
        words += ["--denoise-steps", "2"] if "--tap-step" in words else []
    return subprocess.run([DAFLOW, *words], env=_environment()).returncode


def _convert(words: list[str]) -> int:
    """Converts what stands for a published checkpoint; nothing stands for DiT4SR's."""
    file, folder = words[2:4]
    if "dit4sr" in file:
        return 0
    if "raft-things" not in file:  # SEA-RAFT: a copy of the teacher
        export = ["export", "--model", TEACHER, "--format", "folder", "--out", folder]
        return subprocess.run([DAFLOW, *export], env=_environment()).returncode
    here = Path(file).parent / "torchvision"
    raft = str(shipped.plain_raft(here.with_name("raft")))
    export = ["export", "--model", raft, "--format", "torchvision", "--out", str(here)]
    subprocess.run([DAFLOW, *export], env=_environment(), check=True)
    (made,) = here.glob("*.safetensors")
    convert = ["convert", "weights", str(made), folder]
    return subprocess.run([DAFLOW, *convert], env=_environment()).returncode


def gcloud(words: list[str]) -> int:
    """Copies a folder into the bucket."""
    from daflow_jax.io import storage

    assert words[:3] == ["storage", "cp", "-r"], words
    storage.publish(Path(words[3]), storage.place(words[4]))
    return 0


def _environment() -> dict[str, str]:
    platform = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": xla.QUICK}
    return {**os.environ, **platform, "PYTHONPATH": str(ROOT)}


if __name__ == "__main__":
    assert shutil.which("bash")
    sys.exit({"python": python, "daflow": daflow, "gcloud": gcloud}[sys.argv[1]](sys.argv[2:]))
