"""Processes find each other by every kind of settings, and refuse what cannot be meant."""

import os
import subprocess
import sys

import pytest

from daflow_jax import errors
from daflow_jax.sharding import processes
from tests.train import launcher

JOIN = """
import sys
from daflow_jax.sharding import processes
processes.start(*sys.argv[1:], patience=20)
print(processes.gather({"of": processes.jax.process_index()}), processes.is_main())
print(processes.on_main(lambda: "told"))
processes.stop()
"""


def _variables(kind: str, index: int, port: int) -> dict[str, str]:
    if kind == "variables":
        values = f"localhost:{port}", "2", str(index)
        return dict(zip(processes.VARIABLES, values, strict=True))
    if kind == "slurm":
        names = dict(JOB_ID="1", STEP_NODELIST="localhost", NTASKS="2", PROCID=index, LOCALID=index)
        slurm = {f"SLURM_{name}": str(value) for name, value in names.items()}
        return slurm | {"JAX_COORDINATOR_PORT": str(port)}
    world = dict(SIZE=2, RANK=index, LOCAL_RANK=index)
    return {f"OMPI_COMM_WORLD_{name}": str(value) for name, value in world.items()} | {
        "OMPI_MCA_orte_hnp_uri": "4096.0;tcp://127.0.0.1:34911",
        "JAX_COORDINATOR_PORT": str(port),
    }


@pytest.mark.parametrize("kind", ["variables", "slurm", "open mpi"])
def test_processes_join_by_the_settings_of_their_surroundings(kind):
    port, started = launcher.free_port(), []
    for index in range(2):
        env = os.environ | _variables(kind, index, port) | {"PYTHONPATH": str(launcher.ROOT)}
        command = [sys.executable, "-c", JOIN]
        started.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
    for index, process in enumerate(started):
        said = process.communicate(timeout=120)[0]
        assert process.returncode == 0
        assert f"[{{'of': 0}}, {{'of': 1}}] {index == 0}\ntold\n" in said


@pytest.mark.parametrize(
    "given, message",
    [
        (("localhost:1", None, None), "--processes .* and --process .* is missing"),
        ((None, "2", "0"), "--coordinator .* is missing"),
        (("localhost:1", "two", "0"), "'two' is not a whole number"),
        (("localhost", "2", "0"), "'localhost' is not an address"),
        (("localhost:1", "2", "2"), "2 of 2 processes. They count from 0 to 1"),
    ],
)
def test_partial_and_impossible_settings_are_refused(monkeypatch, given, message):
    for name in processes.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(errors.UserError, match=message) as caught:
        processes.start(*given)
    assert caught.value.code == 2


def test_one_process_asks_nobody(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "2")
    processes.start(processes="1")
    assert processes.gather("x") == ["x"] and processes.on_main(lambda: 7) == 7
    assert processes.is_main() and processes.leave(1, "nobody") is None


def test_a_process_whose_others_do_not_come_ends_in_one_line():
    address = f"localhost:{launcher.free_port()}"
    text = JOIN.replace("patience=20", "patience=1")
    env = os.environ | {"PYTHONPATH": str(launcher.ROOT)}
    command = [sys.executable, "-c", text, address, "2", "1"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    want = "daflow: error: not all processes of the run came within 5 s\n"
    assert (ended.returncode, ended.stderr) == (3, want)
