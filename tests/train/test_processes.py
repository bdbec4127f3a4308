"""Runs give the same losses, evaluations and checkpoints however many processes and devices share
the work: the toy in the default run, train.py's own flow model with -m slow.
"""

import shutil

import numpy as np
import pytest

from daflow_jax import pretrained
from tests.train import launcher

STEPS, SAVED = 20, 16
TOPOLOGIES = {"1x1": (1, 1), "1x8": (1, 8), "2x4": (2, 4), "4x2": (4, 2)}  # processes x devices
FLOW = (
    "train.py",
    "--config=configs/raft/star.py",
    f"--config.train.steps={STEPS}",
    "--config.train.batch_size=8",
    "--config.optimizer.lr=1e-5",
    "--config.task.iters=1",
    "--config.model.widths=(8,8,16,16)",
    *(f"--config.model.{name}=16" for name in ("features", "hidden", "context")),
    "--config.model.radius=1",
    *(f"--config.data.scene.{name}=128" for name in ("height", "width", "texture_size")),
    "--config.data.scene.num_textures=4",
    "--config.data.scene.max_shapes=2",
    f"--config.checkpoint.every={SAVED}",
    "--config.log.every=1",
    f"--config.log.pictures_every={STEPS}",
    "--config.log.tensorboard=False",
    "--config.eval.batches=1",
    "--config.mesh.data=1",
    "--config.mesh.fsdp=-1",
)
slow = pytest.mark.slow


class Runs:
    """The workdirs of one command on each topology, made when first asked for."""

    def __init__(self, root, command):
        self._root, self._command = root, command

    def __call__(self, name: str):
        if not (self._root / name).exists():
            self.train(self._root / name, name)
        return self._root / name

    def train(self, workdir, name: str) -> None:
        """Trains, or resumes, to the end."""
        launcher.run(self._command, workdir, *TOPOLOGIES[name], STEPS=str(STEPS))

    def moved(self, workdir, first: str, then: str) -> None:
        """Goes on from the last but one checkpoint of `first` on `then`, in `workdir`."""
        shutil.copytree(self(first), workdir)
        shutil.rmtree(workdir / f"checkpoints/{STEPS:09d}")
        (workdir / "done").unlink()
        self.train(workdir, then)
        assert f"resumed from step {SAVED}" in (workdir / "log.txt").read_text()


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return Runs(tmp_path_factory.mktemp("toy"), launcher.TOY)


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    return Runs(tmp_path_factory.mktemp("flow"), FLOW)


def _assert_same(ours, theirs, share_of_pixels=1e-5):
    assert list(launcher.losses(ours)) == list(range(1, STEPS + 1))
    values = [list(launcher.losses(path).values()) for path in (ours, theirs)]
    np.testing.assert_allclose(*values, rtol=1e-5)
    assert values[0][-1] != values[0][0]
    expected = launcher.evaluations(theirs)
    assert STEPS in expected
    for step, means in launcher.evaluations(ours).items():
        assert means == pytest.approx(expected[step], rel=share_of_pixels)


@pytest.mark.parametrize(
    "name", [pytest.param("1x8", marks=slow), "2x4", pytest.param("4x2", marks=slow)]
)
def test_losses_and_evaluations_are_those_of_one_device(toy, name):
    _assert_same(toy(name), toy("1x1"))


@slow
@pytest.mark.parametrize(
    "variables", [{"SOURCE": "device"}, {"AXIS": "data"}, {"AXIS": "seq"}, {"AXIS": "dcn=2,fsdp=4"}]
)
def test_other_sources_and_axes_give_the_losses_of_one_device(tmp_path, variables):
    for name in ("1x1", "2x4"):
        launcher.run(launcher.TOY, tmp_path / name, *TOPOLOGIES[name], **variables)
    _assert_same(tmp_path / "2x4", tmp_path / "1x1")


MOVES = [("2x4", "1x1")]
MORE = [("1x1", "2x4"), ("1x8", "2x4"), ("2x4", "1x8"), ("2x4", "4x2"), ("4x2", "2x4")]


@pytest.mark.parametrize("first, then", MOVES + [pytest.param(*pair, marks=slow) for pair in MORE])
def test_a_checkpoint_continues_on_another_topology(toy, tmp_path, first, then):
    toy.moved(tmp_path / "run", first, then)
    _assert_same(tmp_path / "run", toy("1x1"))


@slow
@pytest.mark.parametrize("name", ["1x8", "2x4"])
def test_flow_losses_and_exports_are_those_of_one_device(flow, name):
    _assert_same(flow(name), flow("1x1"), share_of_pixels=1e-3)  # they step by whole pixels
    for path in ("samples/step_000000020/synthetic_flow.png", "done", "eval/step_000000020.json"):
        assert (flow(name) / path).exists()
    ours, theirs = (
        pretrained.load(flow(which) / "export/last").variables["params"]["fnet"]["conv1"]
        for which in (name, "1x1")
    )
    np.testing.assert_allclose(ours["kernel"], theirs["kernel"], atol=2e-5)


@slow
@pytest.mark.parametrize("first, then", MOVES)
def test_a_flow_checkpoint_continues_on_another_topology(flow, tmp_path, first, then):
    flow.moved(tmp_path / "run", first, then)
    _assert_same(tmp_path / "run", flow("1x1"), share_of_pixels=1e-3)
