"""The pages that show how to add a model, a task and a data set: their code is run as it stands.

The networks there know neither iterations, nor the 1/8 grid, nor diffusion; the batches hold a key
of their own; one task has two networks. They pass every public command without a line of the
library being theirs.
"""

import importlib
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import daflow_jax
import train
from daflow_jax import cli, datasets, evaluate, io, predict
from daflow_jax.profiling import peak_rates
from tests import tiny

ROOT = Path(__file__).parents[2]
PAGES = ("add_a_model", "add_a_task", "add_a_dataset")
BLOCK = re.compile(r"^```python title=(\S+)\n(.*?)^```$", re.M | re.S)
QUIET = ["--processes", "1", "--config.eval.every=0", "--config.log.pictures_every=0"]


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    """Returns the folder that holds the files of all pages; their modules can be imported."""
    folder = tmp_path_factory.mktemp("laboratory")
    for page in PAGES:
        for name, code in BLOCK.findall((ROOT / f"docs/{page}.md").read_text()):
            (folder / name).write_text(code)
    before = Path.cwd()
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    os.chdir(before)


def trained(name: str, steps: int = 2) -> Path:
    """Returns the workdir of `python train.py --config train_NAME.py --workdir runs/NAME`."""
    command = ["--config", f"train_{name}.py", "--workdir", f"runs/{name}", *QUIET]
    assert train.main([*command, f"--config.train.steps={steps}"]) == 0
    return Path("runs") / name


TOYS = ("toy_flow", "toy_restorer", "toy_teacher", "toy_interpolation")


@pytest.fixture(scope="module", params=TOYS)
def run(request, laboratory):
    """Trains two steps, then two more where a peak rate is known; returns (name, workdir)."""
    patch = pytest.MonkeyPatch()
    trained(request.param)
    patch.setattr(peak_rates, "peak_flops", lambda kind, dtype: 1e12)
    workdir = trained(request.param, steps=4)
    patch.undo()
    return request.param, workdir


def test_a_run_trains_resumes_and_counts_its_work(run):
    name, workdir = run
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    losses = {row["step"]: row for row in rows if "loss" in row}
    assert sorted(losses) == [1, 2, 3, 4] and all(np.isfinite(r["loss"]) for r in losses.values())
    assert "resumed from step 2" in (workdir / "log.txt").read_text()
    assert losses[4]["mfu"] > 0  # FLOPs were counted, forward and backward
    unit = {"toy_flow": "pairs_per_s", "toy_teacher": "clips_per_s"}.get(name, "images_per_s")
    assert losses[4][unit] > 0 and losses[4]["clips_per_s"] > 0


def test_a_run_leaves_models_that_load_and_are_called(run):
    name, workdir = run
    frames = tiny.frames(3, 37, 45)
    for folder in sorted((workdir / "export").iterdir()):
        model = daflow_jax.load(folder)
        if name in ("toy_flow", "toy_teacher"):
            assert isinstance(model, predict.FlowModel)
            assert model(frames).shape == (2, 37, 45, 2)
        elif name == "toy_restorer":
            assert model(frames).shape == frames.shape
        else:
            assert model(frames[:2], [0.25, 0.5]).shape == (1, 2, 37, 45, 3)
    names = {folder.name for folder in (workdir / "export").iterdir()}
    both = {"best", "last", "best-teacher", "last-teacher"}
    assert names == (both if name == "toy_teacher" else {"best", "last"})


def test_a_teacher_is_exported_as_it_was_asked(run):
    name, workdir = run
    if name != "toy_teacher":
        pytest.skip("one network")
    student, teacher = (daflow_jax.load(workdir / f"export/last{x}") for x in ("", "-teacher"))
    kernels = [np.asarray(m.params["head"]["kernel"]) for m in (student, teacher)]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-4


def test_a_run_is_planned(run, monkeypatch, capsys):
    name, _ = run
    monkeypatch.setenv("PYTHONPATH", f"{Path.cwd()}:{ROOT}")
    command = ["plan", "--config", f"train_{name}.py", "--topology", "cpu:8", "--mesh", "data=8"]
    assert cli.main([*command, "--out", f"{name}.json"]) == 0, capsys.readouterr().err
    (found,) = json.loads(Path(f"{name}.json").read_text())
    assert found["flops"]["analytic"] > 0 and found["memory"]["parameters"] > 0


@pytest.fixture(scope="module")
def pairs(laboratory):
    """Returns a folder of two pairs with true flow."""
    root = laboratory / "FOLDER"
    for scene in ("one", "two"):
        frames = tiny.frames(2, 48, 64, seed=len(scene))
        flow = np.tile(np.float32([-1, 0]), (48, 64, 1))
        for number, frame in enumerate(frames, 1):
            path = root / f"scenes/{scene}/{number:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            io.write_image(path, frame)
        (root / f"motion/{scene}").mkdir(parents=True)
        daflow_jax.write_flow(root / f"motion/{scene}/0001.flo", flow)
    importlib.import_module("toy_layout")
    return root


def test_flow_of_the_toy_by_the_commands(laboratory, pairs, capsys):
    folder = str(trained("toy_flow", 4) / "export/last")
    clip = str(pairs / "scenes/one")
    assert cli.main(["flow", clip, "--model", folder, "--out", "flow", "--formats", "flo"]) == 0
    command = ["eval", str(pairs), "--layout", "toy", "--model", folder, "--out", "scores"]
    assert cli.main([*command, "--degrade", "gaussian_noise:3", "--worst", "0"]) == 0
    assert cli.main(["export", "--model", folder, "--size", "48x64", "--out", "served"]) == 0
    capsys.readouterr()
    for refused in (["--iters", "3"], ["--scales", "0.5"], ["--init", "warm"]):
        assert cli.main(["flow", clip, "--model", folder, "--out", "x", *refused]) == 2
        error = capsys.readouterr().err
        assert error.startswith("daflow: error: ") and error.count("\n") == 1, error


def test_restorer_of_the_toy_by_the_commands(laboratory, pairs, capsys):
    folder = str(trained("toy_restorer", 4) / "export/last")
    clip = str(pairs / "scenes/one")
    assert cli.main(["restore", clip, "--model", folder, "--out", "restored"]) == 0
    assert cli.main(["eval", clip, "--model", folder, "--degrade", "jpeg:3", "--out", "psnr"]) == 0
    assert cli.main(["restore", clip, "--model", folder, "--out", "x", "--steps", "3"]) == 2
    assert "steps" in capsys.readouterr().err


def test_interpolator_of_the_toy_by_the_command(laboratory, pairs, capsys):
    folder = str(trained("toy_interpolation", 4) / "export/last")
    clip = str(pairs / "scenes/one")
    command = ["interpolate", clip, "--model", folder, "--times", "0.3,0.6", "--out", "between"]
    assert cli.main(command) == 0
    assert len(list(Path("between/one").iterdir())) == 4
    assert cli.main([*command, "--overwrite", "--scale", "0.5"]) == 2
    assert "scale: is not an option of" in capsys.readouterr().err


def test_a_layout_is_read_by_evaluation_check_and_training(laboratory, pairs, capsys):
    code = (laboratory / "eval_toy.py").read_text()
    exec(compile(code, "eval_toy.py", "exec"), {})  # noqa: S102 - the page's own code
    assert "| zero | 1.00 |" in capsys.readouterr().out
    assert cli.main(["data", "check", str(pairs), "--layout", "toy"]) in (0, 4)
    source = {"kind": "folder", "path": str(pairs), "layout": "toy"}
    folder = [f"--config.data.sources={(source,)}", "--config.data.name=mixture"]
    sets = ({**source, "name": "toy", "batches": 1},)
    command = ["--config", "train_toy_flow.py", "--workdir", "runs/mixed", *QUIET, *folder]
    assert train.main([*command, f"--config.eval.sets={sets}"]) == 0
    found = json.loads(next(Path("runs/mixed/eval").glob("*.json")).read_text())
    assert found["toy"]["epe"] > 0


def test_the_model_page_uses_what_it_trained(laboratory):
    trained("toy_flow", 4)
    names = {"frames": tiny.frames(3, 40, 50)}
    exec((laboratory / "use_toy_flow.py").read_text(), names)  # noqa: S102
    assert names["flow"].shape == (2, 40, 50, 2)


def test_names_that_are_taken_are_refused(laboratory):
    import toy_flow

    from daflow_jax import models, tasks

    assert models.register(toy_flow.TOY_FLOW) is toy_flow.TOY_FLOW  # again: the same
    with pytest.raises(ValueError, match="'raft' is registered"):
        models.register(models.Entry(**{**vars(toy_flow.TOY_FLOW), "family": "raft"}))
    with pytest.raises(ValueError, match="'optical_flow' is registered"):
        tasks.register("optical_flow", object)
    with pytest.raises(ValueError, match="'sintel' is registered"):
        datasets.register(datasets.Layout("sintel", *[""] * 5, (), iter))
    assert evaluate is not None
