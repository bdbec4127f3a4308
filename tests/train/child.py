"""train.py on the toy and Grain's clips, with an accident on request:
python -m tests.train.child --workdir=W ...

ACCIDENT="process:batch:signal number" (or "raise", or "full": no file may grow) strikes when that
process asks for that batch. STEPS sets the length of the run, PAUSE the seconds before every batch,
BATCHES a file that gets a line for every batch of process 0, SOURCE where clips are made, AXIS the
mesh axis that takes all devices, or a whole mesh, "dcn=2,fsdp=4".
"""

import os
import resource
import signal
import sys
import time
import zlib
from pathlib import Path

import jax
import numpy as np

import train
from daflow_jax import errors, experiment, sharding
from daflow_jax.cli import values
from daflow_jax.experiment import clip_sources
from daflow_jax.input_pipeline import settings
from daflow_jax.input_pipeline.evaluation import Fit
from daflow_jax.synthetic import scene
from daflow_jax.train import data_feed, setup
from daflow_jax.train import evaluator as evaluate
from tests.train import toy

WHO, WHEN, WHAT = os.environ.get("ACCIDENT", "-1:-1:none").split(":")
SOURCE, AXIS = os.environ.get("SOURCE", "host"), os.environ.get("AXIS", "fsdp")
STEPS = int(os.environ.get("STEPS", "20"))
SAVE_EVERY = 4
ROWS = 11  # of an evaluation: they fill neither the batches nor the processes evenly
SCENE = scene.SceneConfig(
    frames=2, height=32, width=48, max_shapes=2, textures="procedural", num_textures=2,
    texture_size=64,
)  # fmt: skip
DATA = settings.DataConfig(scene=SCENE, keys=("lq", "hq", "weight"))


class Loader:
    """Grain's loader of this process, on which accidents happen."""

    def __init__(self, loader):
        self._loader = loader
        self.get_state, self.set_state = loader.get_state, loader.set_state

    def __next__(self):
        number = self._loader.get_state()["clips"] // 8
        if number == int(WHEN) and jax.process_index() == int(WHO):
            _strike()
        time.sleep(float(os.environ.get("PAUSE", "0")))
        batch = next(self._loader)
        if "BATCHES" in os.environ and jax.process_index() == 0:
            total = zlib.crc32(b"".join(batch[key].tobytes() for key in sorted(batch)))
            with open(os.environ["BATCHES"], "a") as file:
                file.write(f"{number} {total}\n")
        return batch


def _await_checkpoint():
    """Waits for the first checkpoint, which is written in the background."""
    word = next(word for word in sys.argv if word.startswith("--workdir="))
    folder, deadline = Path(word.partition("=")[2]) / "checkpoints", time.monotonic() + 30
    while time.monotonic() < deadline:
        if any(path.name.isdigit() for path in folder.glob("*")):
            return
        time.sleep(0.02)


def _strike():
    if WHAT == "raise":
        raise errors.UserError("clips/7.png", "is no picture", "Mend it")
    if WHAT == "full":
        _await_checkpoint()
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    elif WHAT != "none":
        os.kill(os.getpid(), int(WHAT))


def _ragged(mesh):
    whole = toy.rows(77, 0, ROWS)
    for own, weight in evaluate.places(ROWS, 8, *sharding.process_share(mesh)):
        batch = {key: value[own] for key, value in whole.items()}
        yield batch | {"weight": np.array(weight, np.float32)}


def build(config) -> setup.Experiment:
    """Returns the toy's experiment over all devices of all processes, its parameters spread."""
    devices = len(jax.devices())
    axes = values.mesh(AXIS) if "=" in AXIS and devices > 1 else {AXIS.split("=")[0]: devices}
    mesh = sharding.make_mesh(axes)
    data = clip_sources.training(SOURCE, DATA, 8, mesh)
    if isinstance(data, data_feed.HostData):
        own = data.open
        data = data_feed.HostData(lambda: Loader(own()))
    config = evaluate.EvalConfig(every=STEPS // 2, batches=1)
    held_out = clip_sources.evaluations(SOURCE, DATA, config, 8, mesh, Fit())
    return toy.experiment(
        steps=STEPS,
        devices=devices,
        axes=axes,
        data=data,
        eval_sets={"toy": lambda: _ragged(mesh), **held_out},
        eval=config,
        checkpoint=setup.CheckpointConfig(every=SAVE_EVERY),
    )


if __name__ == "__main__":
    experiment.build = build
    sys.exit(train.main(["--config=configs/raft/star.py", *sys.argv[1:]]))
