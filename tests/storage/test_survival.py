"""Deaths and outages of a run whose folder is in a bucket, with -m slow; and what latency costs."""

import json
import time

import pytest

from daflow_jax.io import storage
from studies import buckets
from tests.storage import server as servers
from tests.train import launcher

STEPS = 20


def _losses(url):
    lines = (storage.place(url) / "metrics.jsonl").read_text().splitlines()
    return {line["step"]: line["loss"] for line in map(json.loads, lines) if "loss" in line}


def _await(url, step, process, timeout=120):
    """Waits until the checkpoint of a step is whole."""
    done = storage.place(url) / f"checkpoints/{step:09d}/commit_success.txt"
    deadline = time.monotonic() + timeout
    while not done.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("undisturbed")
    launcher.run(launcher.TOY, workdir, 1, 1)
    return launcher.losses(workdir)


@pytest.mark.slow
@pytest.mark.parametrize("dies", ["process", "server", "both"])
def test_a_run_goes_on_after_kills(server, bucket, undisturbed, dies):
    variables = servers.variables(server.url)
    started = launcher.start(launcher.TOY, bucket, 1, 1, PAUSE="0.5", **variables)
    process = started[0][0]
    _await(bucket, 8, process)
    if dies != "server":
        process.kill()
    if dies != "process":
        server.kill()
        time.sleep(4)  # the run asks again meanwhile
        server.start()
    [(code, said)] = launcher.finish(started)
    assert code == (0 if dies == "server" else -9), said
    begun = time.monotonic()
    launcher.run(launcher.TOY, bucket, 1, 1, **variables)
    assert time.monotonic() - begun < 55, "a dead holder on the same machine is not waited for"
    ours = _losses(bucket)
    assert list(ours) == list(undisturbed) == list(range(1, STEPS + 1))
    assert list(ours.values()) == pytest.approx(list(undisturbed.values()), rel=1e-5)


@pytest.mark.slow
def test_two_processes_share_one_bucket(server, bucket, undisturbed):
    variables = servers.variables(server.url)
    ended = launcher.finish(launcher.start(launcher.TOY, bucket, 2, 2, **variables))
    assert [code for code, _ in ended] == [0, 0], ended
    assert list(_losses(bucket).values()) == pytest.approx(list(undisturbed.values()), rel=1e-5)


@pytest.mark.slow
def test_a_service_in_trouble_is_waited_for_and_then_one_line(server, bucket, undisturbed):
    variables = servers.variables(server.url)
    started = launcher.start(launcher.TOY, bucket, 1, 1, PAUSE="0.5", **variables)
    _await(bucket, 4, started[0][0])
    server.gate.refuse = (503, "busy")
    time.sleep(8)
    server.gate.refuse = None
    [(code, said)] = launcher.finish(started)
    assert code == 0, said
    assert _losses(bucket) == pytest.approx(undisturbed, rel=1e-5)
    other = f"{bucket}-2"
    started = launcher.start(launcher.TOY, other, 1, 1, PAUSE="0.5", **variables)
    _await(other, 4, started[0][0])
    server.gate.refuse = (503, "busy")
    [(code, said)] = launcher.finish(started)
    assert code == 3 and "did not answer for a while" in said and "Traceback" not in said, said
    server.gate.refuse = None
    launcher.run(launcher.TOY, other, 1, 1, **variables)
    assert _losses(other) == pytest.approx(undisturbed, rel=1e-5)


@pytest.mark.slow
def test_latency_is_hidden_behind_a_step(server, tmp_path):
    """20 ms a request cost less than a tenth of a step of 200 ms on 8 clips, although every clip is
    a request that was held back while it was measured: fetched one clip after the other, a batch
    takes as long as all of them."""
    for kind, (_, there) in buckets.publish(tmp_path).items():
        config = buckets.source(kind, there)
        late = buckets.measure(config, server.gate, buckets.LATENCY)
        alone = buckets.measure(config, server.gate, buckets.LATENCY, batches=5, ahead=1)
        print(f"\n{kind}: {late} {alone}")
        assert late.requests >= 0.8 * buckets.BATCH and late.sent > 50_000
        assert late.late >= 0.8 * buckets.BATCH * buckets.LATENCY
        assert buckets.BATCH / alone.rate > 0.9 * buckets.BATCH * buckets.LATENCY
        assert late.rate > 2 * alone.rate
        assert late.wait < 0.1 * buckets.STEP
