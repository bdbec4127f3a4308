"""Runs come to a good end and go on: signals, deaths, bad data, a full disk, damage; twenty kills
with -m slow.
"""

import os
import random
import re
import signal
import time

import pytest

from tests.train import launcher

STEPS = 20


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("undisturbed")
    launcher.run(launcher.TOY, workdir, 1, 4, BATCHES=str(workdir / "batches"))
    return workdir


def _run(workdir, accident: str, *flags, count: int = 2) -> list[tuple[int, str]]:
    devices = 4 // count
    started = launcher.start(launcher.TOY, workdir, count, devices, *flags, ACCIDENT=accident)
    return launcher.finish(started, timeout=120)


def _same_as(undisturbed, workdir, rel=1e-5):
    ours, theirs = (launcher.losses(path) for path in (workdir, undisturbed))
    assert list(ours) == list(theirs) == list(range(1, STEPS + 1))
    assert list(ours.values()) == pytest.approx(list(theirs.values()), rel=rel)
    for step, values in launcher.evaluations(undisturbed).items():
        assert launcher.evaluations(workdir)[step] == pytest.approx(values, rel=rel)


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_after_a_save(tmp_path):
    ended = _run(tmp_path, f"1:5:{int(signal.SIGTERM)}")
    assert [code for code, _ in ended] == [143, 143], ended
    said = (tmp_path / "log.txt").read_text()
    stopped = int(said.split("stopped by signal 15 at step ")[1].split(",")[0])
    assert 5 < stopped < STEPS and (tmp_path / f"checkpoints/{stopped:09d}").is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("dies, lives", [(1, 0), (0, 1)])
def test_a_dead_process_ends_the_other_and_the_run_can_go_on(undisturbed, tmp_path, dies, lives):
    start = time.monotonic()
    ended = _run(tmp_path, f"{dies}:7:{int(signal.SIGKILL)}", "--patience=20")
    assert time.monotonic() - start < 90
    assert ended[dies][0] == -signal.SIGKILL
    code, said = ended[lives]
    assert code == 3 and f"daflow: error: process {dies} is gone. " in said, ended
    launcher.run(launcher.TOY, tmp_path, 1, 4)
    _same_as(undisturbed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("sleeps, lives", [(1, 0), (0, 1)])
def test_a_silent_process_ends_the_other(tmp_path, sleeps, lives):
    accident = f"{sleeps}:7:{int(signal.SIGSTOP)}"
    started = launcher.start(launcher.TOY, tmp_path, 2, 2, "--patience=8", ACCIDENT=accident)
    started[lives][0].wait(100)
    os.kill(started[sleeps][0].pid, signal.SIGKILL)
    code, said = launcher.finish(started)[lives]
    assert code == 3 and f"process {sleeps} was silent for 8 s" in said


@pytest.mark.slow
def test_a_mistake_in_one_process_is_told_by_all(tmp_path):
    ended = _run(tmp_path, "1:3:raise")
    assert [code for code, _ in ended] == [2, 2]
    line = "clips/7.png: is no picture. Mend it."
    assert ended[1][1] == f"daflow: error: {line}\n"
    assert f"daflow: error: process 1 stopped: {line}" in ended[0][1].splitlines()


def test_a_full_disk_ends_the_run_in_one_line_and_leaves_older_checkpoints(undisturbed, tmp_path):
    code, said = _run(tmp_path, "0:6:full", count=1)[0]
    assert code == 3 and said.splitlines()[-1].startswith("daflow: error: "), said
    assert "no room for a checkpoint; those before it are whole. Make room" in said
    launcher.run(launcher.TOY, tmp_path, 1, 4)
    log = (tmp_path / "log.txt").read_text()
    assert re.search("resumed from step (4|8|12|16)\n", log), log  # batches are read ahead
    _same_as(undisturbed, tmp_path)


def _damage(newest, kind: str) -> None:
    data = sorted(path for path in newest.rglob("d/*") if path.is_file())
    if kind == "half deleted":
        for path in data[::2]:
            path.unlink()
        return
    largest = max(data, key=lambda path: path.stat().st_size)
    raw = largest.read_bytes()
    largest.write_bytes(raw[: len(raw) // 2] if kind == "truncated" else b"")


KINDS = [
    pytest.param("truncated", marks=pytest.mark.slow),
    pytest.param("empty", marks=pytest.mark.slow),
    pytest.param("half deleted", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_agree_to_fall_back_from_a_damaged_checkpoint(undisturbed, tmp_path, kind):
    launcher.run(launcher.TOY, tmp_path, 2, 2, STEPS="12")
    (tmp_path / "done").unlink()
    _damage(tmp_path / "checkpoints/000000012", kind)
    launcher.run(launcher.TOY, tmp_path, 2, 2)
    said = (tmp_path / "log.txt").read_text()
    assert said.count("checkpoint 000000012 is damaged") == 1 and "resumed from step 8" in said
    _same_as(undisturbed, tmp_path)


def _batches(path) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for line in path.read_text().splitlines():
        number, total = line.split()
        found.setdefault(int(number), set()).add(total)
    return found


def _kill(workdir, steps: int, rng, while_saving: bool) -> None:
    """Starts the run and kills it as soon as it writes a checkpoint, or some batches after it has
    finished one.
    """
    lines, before = workdir / "batches", _finished(workdir)
    started = launcher.start(
        launcher.TOY, workdir, 1, 1, STEPS=str(steps), PAUSE="0.03", BATCHES=str(lines)
    )
    process, more = started[0][0], rng.randint(0, 8)
    first, known = None, len(_texts(lines))
    while process.poll() is None:
        if while_saving and len(_texts(lines)) > known and any(workdir.glob("checkpoints/*tmp*")):
            break
        if not while_saving and first is None and _finished(workdir) - before:
            first = len(_texts(lines))
        if first is not None and len(_texts(lines)) >= first + more:
            break
        time.sleep(0.001)
    process.kill()
    assert launcher.finish(started)[0][0] == -signal.SIGKILL


def _finished(workdir) -> set[str]:
    return {path.name for path in workdir.glob("checkpoints/*") if path.name.isdigit()}


def _texts(path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.slow
@pytest.mark.parametrize("kills", [2, 20])
def test_kills_at_random_moments_change_neither_losses_nor_batches(tmp_path, kills):
    rng, steps = random.Random(kills), 40 * kills
    plain, killed = tmp_path / "plain", tmp_path / "killed"
    for workdir in (plain, killed):
        workdir.mkdir()
    for number in range(kills):
        _kill(killed, steps, rng, while_saving=number % 2 == 0)
    for workdir in (plain, killed):
        lines = str(workdir / "batches")
        launcher.run(launcher.TOY, workdir, 1, 1, STEPS=str(steps), BATCHES=lines)
    assert "resumed from step" in (killed / "log.txt").read_text()
    assert (
        launcher.losses(killed) == launcher.losses(plain) and len(launcher.losses(plain)) == steps
    )
    assert _batches(killed / "batches") == _batches(plain / "batches")
    assert launcher.evaluations(killed) == launcher.evaluations(plain)
