"""daflow plan: the whole command on devices of this machine, its refusals, and a real TPU slice."""

import importlib.util
import json
import re

import pytest

from daflow_jax import cli, errors
from daflow_jax.plan import meshes, report, topology, trial

SMALL = [  # the smallest restorer
    "--config.model.dit.depth=1",
    "--config.model.dit.heads=2",
    "--config.model.dit.head_dim=8",
    "--config.model.dit.taps=(0,)",
    "--config.data.scene.height=32",
    "--config.data.scene.width=32",
]
LIFT = ["plan", "--config", "configs/daflow/lift.py"]


@pytest.mark.slow
def test_command_compiles_the_step_and_names_the_mesh(tmp_path, capsys):
    file = tmp_path / "plan.json"
    meshes_ = ["--mesh", "fsdp=4", "--mesh", "data=3"]
    code = cli.main([*LIFT, "--topology", "cpu:4", *meshes_, "--out", str(file), *SMALL])
    out, err = capsys.readouterr()
    assert code == 0 and "compiling for cpu:4, fsdp=4" in err
    assert "all-gather over fsdp" in out and "most headroom: fsdp=4" in out
    good, bad = json.loads(file.read_text())
    assert "{'data': 3} does not fit 4 devices" in bad["failed"] and "failed: config.mesh" in out
    flops, memory = good["flops"], good["memory"]
    assert flops["compiled"] == pytest.approx(flops["analytic"], rel=0.05)
    assert memory["optimizer"] == pytest.approx(2 * memory["average"], rel=0.01)
    assert memory["peak"] > memory["optimizer"] + 2 * memory["parameters"]
    assert good["mesh"] == {"dcn": 1, "data": 1, "fsdp": 4, "seq": 1, "tensor": 1}


def test_refusals_say_what_to_do(capsys, monkeypatch):
    assert cli.main([*LIFT, "--topology", "v5e-16"]) == 2
    assert "Write v5e:4x4" in capsys.readouterr().err
    assert topology.parse("2xcpu:4") == ("2xcpu:4", "cpu", 8, None, 2)
    assert topology.parse("2xcpu:4").slice == "cpu:4"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name, extra in (("v5e:4x4", "plan"), ("2xh100:8", "cuda12")):
        assert cli.main([*LIFT, "--topology", name]) == 3
        assert f"pip install 'daflow-jax[{extra}]'" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        cli.main([*LIFT, "--topology", "cpu:4", "--mesh", "fsdp:4"])
    assert "AXIS=SIZE" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        cli.main(["doctor", "--config.seed=1"])
    assert "unrecognized arguments: --config.seed=1" in capsys.readouterr().err


def test_a_batch_that_divides_nowhere_is_refused_as_training_does(monkeypatch, capsys):
    refused = "config.train.batch_size", "7 clips do not divide", "Use 8", 2
    answer = {"failed": str(errors.UserError(*refused)), "refused": refused}
    monkeypatch.setattr(trial, "run", lambda job, timeout: job._asdict() | answer)
    batch = "--config.train.batch_size=7"
    assert cli.main([*LIFT, "--topology", "cpu:4", "--mesh", "data=4", batch]) == 2
    assert "7 clips do not divide. Use 8." in capsys.readouterr().err
    assert cli.main([*LIFT, "--topology", "cpu:999983"]) == 2
    assert "divides over no mesh of 999983 devices" in capsys.readouterr().err


def test_a_compiler_that_dies_or_hangs_is_a_result(monkeypatch):
    monkeypatch.setattr(topology, "environment", lambda target: {"PYTHONSTARTUP": ""})
    job = trial.Job("configs/daflow/lift.py", SMALL, "cpu:1", {"data": 1})
    assert trial.run(job, 1)["failed"] == "no result after 1 s (--timeout)"
    monkeypatch.setattr(trial.sys, "executable", "/bin/false")
    assert trial.run(job, 60)["failed"] == "the compiler ended with exit code 1"


def test_candidates_divide_devices_and_batch():
    found = meshes.candidates(16, 32, predict=False)
    assert found[0] == {"data": 1, "fsdp": 16, "seq": 1, "tensor": 1}
    assert {"data": 1, "fsdp": 4, "seq": 4, "tensor": 1} in found and len(found) < 9
    assert all(32 % (m["data"] * m["fsdp"]) == 0 for m in found)
    assert all(m["data"] * m["fsdp"] * m["seq"] * m["tensor"] == 16 for m in found)
    assert meshes.candidates(16, 4, predict=False)  # fewer clips than devices: parts of a clip
    assert all(m["fsdp"] == 1 for m in meshes.candidates(16, 32, predict=True))
    two = meshes.candidates(32, 32, predict=False, slices=2)
    assert two[0] == {"dcn": 2, "data": 1, "fsdp": 16, "seq": 1, "tensor": 1}
    assert meshes.candidates(32, 31, predict=False, slices=2) == []
    assert meshes.text(found[0]) == "fsdp=16" and meshes.text({"data": 1}) == "data=1"


def plan(mesh, peak, limit=16.0, **more):
    gib = report.GIB
    return {
        "config": "configs/daflow/lift_base.py",
        "topology": "v5e:4x4",
        "predict": None,
        "frames": None,
        "mesh": mesh,
        "memory": {"limit": limit * gib, "peak": peak * gib, "parameters": 2 * gib}
        | {"frozen": gib, "optimizer": 4 * gib, "average": gib, "batch": 0, "other": 0},
        "collectives": [{"kind": "all-gather", "axes": ["fsdp"], "count": 3, "bytes": 2.0 * gib}],
        "flops": {"analytic": 1e15, "compiled": 1.3e15},
        "estimate": {"compute": 0.5, "memory": 0.1, "links": 0.7, "step": 0.7, "bound": "links"},
        "square": [],
        "largest": [],
    } | more


def test_table_shows_parts_and_the_mesh_with_most_headroom():
    failed = plan({"data": 16}, 1) | {"failed": "needs 43.1GiB of 15.75GiB"}
    plans = [plan({"fsdp": 16}, 12), plan({"fsdp": 4, "seq": 4}, 9), plan({"data": 4}, 17), failed]
    assert report.best(plans) is plans[1] and report.best(plans[2:]) is None
    lines = report.table(plans).splitlines()
    assert re.match(r"fsdp=4,seq=4 +9.00 +16.00 +3.00 +4.00 +1.00 +1.00 +2.00", lines[2])
    assert "1.300" in lines[2] and "0.7 (links)" in lines[2] and lines[2].endswith("none")
    assert "failed: needs 43.1GiB" in lines[4]
    assert report.advice(plans).startswith("most headroom: fsdp=4,seq=4 (7.00 GiB")
    assert "lower bound" in report.details(plans[0])
    far = {"kind": "all-reduce", "axes": ["dcn"], "count": 1, "bytes": 0.5 * report.GIB}
    both = plan({"dcn": 2, "fsdp": 16}, 12)
    both["collectives"].append(far)
    assert "0.50 GiB over the data center's network (dcn), 2.00 GiB ins" in report.details(both)
    rows = report.markdown(plans).splitlines()
    assert len({row.count("|") for row in rows}) == 1 and "lift_base | v5e:4x4" in rows[2]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="needs libtpu")
@pytest.mark.parametrize("predict", [[], ["--predict", "128x128"]])
def test_a_tpu_slice_that_is_not_there(tmp_path, capsys, predict):
    file = tmp_path / "plan.json"
    config = "configs/daflow/flow.py" if predict else "configs/daflow/lift.py"
    more = ["--mesh", "data=2,seq=2", "--config.precision=bf16_mixed", *predict]
    command = ["plan", "--config", config, "--topology", "v5e:2x2", "--out", str(file)]
    assert cli.main([*command, *more, *([] if predict else SMALL)]) == 0
    (found,) = json.loads(file.read_text())
    assert found["memory"]["limit"] == 15.75 * 2**30 > found["memory"]["peak"] > 0
    assert found["flops"]["kernels"] > 0 and found["estimate"]["step"] > 0
    over = {axis for row in found["collectives"] for axis in row["axes"]}
    assert over == ({"seq"} if predict else {"data", "seq"})  # clips of a prediction need no other
    assert "data=2,seq=2 (" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(not topology.has_cuda(), reason="needs JAX's CUDA plugin")
def test_gpus_that_are_not_there(tmp_path, capsys):
    file = tmp_path / "plan.json"
    more = ["--mesh", "dcn=2,fsdp=2", "--config.precision=bf16_mixed", *SMALL]
    assert cli.main([*LIFT, "--topology", "2xh100:2", "--out", str(file), *more]) == 0
    (found,) = json.loads(file.read_text())
    assert found["memory"]["limit"] > 55 * 2**30 and found["memory"]["peak"] > 0
    assert found["flops"]["compiled"] == pytest.approx(found["flops"]["analytic"], rel=0.2)
    assert found["estimate"]["memory"] > 0
    over = {axis for row in found["collectives"] for axis in row["axes"]}
    assert over == {"dcn", "fsdp"}
