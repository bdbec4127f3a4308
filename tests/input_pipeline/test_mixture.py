"""Several sources in one stream: shares, sizes, what is valid, and the place after a resume."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from daflow_jax import experiment
from daflow_jax.errors import UserError
from daflow_jax.input_pipeline import evaluation, generated, loader, mixture, settings, transforms
from daflow_jax.synthetic import scene
from daflow_jax.train import workdir
from tests import batches, trees

SCENE = scene.SceneConfig(
    frames=2, height=16, width=24, max_shapes=2, textures="procedural", num_textures=2,
    texture_size=64,
)  # fmt: skip
KEYS = ("lq", "hq", "flow", "valid", "weight")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixture")
    for name in ("pairs_folder", "kitti2015"):
        trees.write(name, folder)
    return folder


@pytest.fixture(scope="module")
def config(root):
    given = (
        settings.Source("folder", 2.0, str(root / "pairs_folder"), augment="dense"),
        settings.Source(
            "folder", 1.0, str(root / "kitti2015"), "kitti2015:train", augment="sparse"
        ),
        settings.Source("synthetic", 1.0),
    )
    return settings.DataConfig(name="mixture", sources=given, scene=SCENE, seed=5, keys=KEYS)


def take(iterator, count):
    return [next(iterator) for _ in range(count)]


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        assert set(a) == set(b)
        for key in a:
            np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def test_every_block_keeps_the_shares_and_every_source_its_order(config):
    stream = mixture.Mixture(config)
    assert stream.counts == (512, 256, 256) and sum(mixture.shares((1.0, 1.0, 1.0))) == 1024
    blocks = np.array([stream.place(n) for n in range(2 * 1024)]).reshape(2, 1024, 2)
    for source, count in enumerate(stream.counts):
        for block in blocks:
            assert (block[:, 0] == source).sum() == count
        numbers = blocks.reshape(-1, 2)
        own = numbers[numbers[:, 0] == source, 1]
        np.testing.assert_array_equal(own, np.arange(2 * count))
    assert not np.array_equal(blocks[0, :, 0], blocks[1, :, 0])
    runs = np.abs(blocks[0, :64, 0].reshape(-1, 8).mean(1) - 0.75)
    assert runs.max() < 0.75, "no source stands in blocks of its own"


def test_batches_keep_the_rules_repeat_and_stack(config):
    whole = take(loader.make_loader(config, 8), 3)
    for batch in whole:
        batches.check(batch)
        assert batch["lq"].shape == (8, 2, 16, 24, 3)
        assert (batch["flow"][~batch["valid"]] == 0).all()
    chosen = [mixture.Mixture(config).place(n)[0] for n in range(24)]
    known = np.concatenate([batch["valid"].mean((1, 2, 3)) for batch in whole])
    for source, bound in ((0, (0, 0.9)), (1, (0, 0.9)), (2, (1, 1))):
        share = np.mean(known[np.array(chosen) == source])
        assert bound[0] <= share <= bound[1] and share > 0, source
    assert_same(whole, take(loader.make_loader(config, 8), 3))
    for process in (0, 1):
        half = take(loader.make_loader(config, 4, process, 2), 3)
        block = slice(4 * process, 4 * process + 4)
        assert_same(half, [{k: v[block] for k, v in batch.items()} for batch in whole])


def test_killed_workers_resume_with_identical_batches(config):
    plain = take(loader.make_loader(config, 4), 4)
    workers = loader.make_loader(dataclasses.replace(config, num_workers=2), 4)
    assert_same(take(workers, 2), plain[:2])
    saved = json.dumps(workers.get_state())
    workers.close()
    for number, count in ((0, 1), (1, 1), (0, 2)):
        changed = dataclasses.replace(config, num_workers=number)
        again = loader.make_loader(changed, 4 // count, 0, count)
        again.set_state(json.loads(saved))
        expected = [{k: v[: 4 // count] for k, v in batch.items()} for batch in plain[2:]]
        assert_same(take(again, 2), expected)
        again.close()
    asked = ({"data": {"num_workers": number, "name": "mixture"}} for number in (0, 2))
    assert not workdir.differences(*asked), "the same run may go on with other workers"


ORPHANS = """
import multiprocessing, os, signal, time
from daflow_jax.input_pipeline import loader
def work(ready):
    loader._end_with_parent(0, 1)
    ready.set()
    time.sleep(30)
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    context.Process(target=work, args=(ready,)).start()
    ready.wait()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_a_killed_trainer(tmp_path):
    """The worker holds the pipe open: its end says that the worker is gone, too."""
    (tmp_path / "main.py").write_text(ORPHANS)
    killed = subprocess.Popen(
        [sys.executable, tmp_path / "main.py"],
        env=dict(os.environ, PYTHONPATH=str(Path(__file__).parents[2])),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    killed.communicate(timeout=25)
    assert killed.returncode == -signal.SIGKILL


def test_state_of_other_data_is_refused(config, root, tmp_path):
    state = loader.make_loader(config, 4).get_state()
    light = dataclasses.replace(config.sources[0], weight=1.0)
    changed = dataclasses.replace(config, sources=(light, *config.sources[1:]))
    with pytest.raises(UserError, match="saved with 512/1024 folder of 2 clips.*now it is 342/"):
        loader.make_loader(changed, 4).set_state(state)
    with pytest.raises(UserError, match="saved with extra, now it is no source"):
        longer = {**state, "sources": [*state["sources"], "extra"]}
        loader.make_loader(config, 4).set_state(longer)
    with pytest.raises(UserError, match="saved with no source"):
        loader.make_loader(config, 4).set_state({**state, "sources": []})
    moved = trees.write("pairs_folder", tmp_path)
    elsewhere = dataclasses.replace(config.sources[0], path=str(moved))
    same = dataclasses.replace(config, sources=(elsewhere, *config.sources[1:]))
    loader.make_loader(same, 4).set_state(state)
    (moved / "mine/b").rename(moved / "mine/c")
    with pytest.raises(UserError, match="clips would come twice or never"):
        loader.make_loader(same, 4).set_state(state)


def test_broken_clips_stop_a_mixture_or_are_counted(config, tmp_path):
    moved = trees.write("pairs_folder", tmp_path)
    (moved / "mine/b/flow.npz").unlink()
    source = dataclasses.replace(config.sources[0], path=str(moved))
    with pytest.raises(UserError, match="holds no flow file"):
        mixture.Mixture(dataclasses.replace(config, sources=(source,)))
    skipping = dataclasses.replace(source, skip_bad=True)
    with pytest.warns(UserWarning, match="1 of 2 clips left out: .*holds no flow file"):
        stream = mixture.Mixture(dataclasses.replace(config, sources=(skipping,)))
    assert "folder of 1 clips" in stream.describe()[0] and stream[5]["valid"].any()


def test_built_sets_and_three_frames(config, root, tmp_path, capsys):
    pytest.importorskip("tensorflow_datasets", reason="needs daflow-jax[data]")
    from data import build

    source = trees.write("sintel", tmp_path)
    assert build.main(["sintel", "--source", str(source), "--out", str(tmp_path / "out")]) == 0
    built = settings.Source("built", path=str(tmp_path / "out/sintel"), split="final")
    three = dataclasses.replace(SCENE, frames=3)
    mixed = (dataclasses.replace(built, augment="dense"), config.sources[0])
    keys = (*KEYS, "flow_back", "valid_back")
    both = dataclasses.replace(config, sources=mixed, scene=three, keys=keys)
    batch = next(loader.make_loader(both, 6))
    batches.check(batch)
    assert batch["flow"].shape == (6, 2, 16, 24, 2) and batch["valid"].any((1, 2, 3, 4)[:3]).any()
    held = settings.EvalSource("sintel", "built", built.path, split="final", degrade=False)
    windows = evaluation.FileWindows(config, held, 3, evaluation.Fit(8, 8))
    assert len(windows) == 3 and windows.groups() == [[0, 1, 2]]
    assert np.array_equal(windows[2]["lq"], windows[2]["hq"]) and windows[2]["valid"].any()
    with pytest.raises(UserError, match="no split 'finale'.*Did you mean final"):
        mixture.Mixture(
            dataclasses.replace(both, sources=(dataclasses.replace(built, split="finale"),))
        )


def test_own_degraded_frames_are_kept_or_replaced(config):
    degrade = settings.DegradeConfig(clean_share=1.0, jitter_share=0.0)
    kept = dataclasses.replace(config.sources[0], augment="none", degrade=False)
    for source, same in ((kept, False), (dataclasses.replace(kept, degrade=True), True)):
        own = dataclasses.replace(config, sources=(source,), degrade=degrade)
        batch = next(loader.make_loader(own, 2))
        assert np.array_equal(batch["lq"], batch["hq"]) == same, "clean and degraded files differ"


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_source_does_not_know_is_not_made_up(config, workers):
    videos = dataclasses.replace(config, keys=(*KEYS, "instances"), num_workers=workers)
    with pytest.raises(UserError, match="does not know 'instances'.*Leave the key out"):
        next(loader.make_loader(videos, 2))


def test_flow_that_is_not_finite_is_not_valid(config):
    source = (settings.Source("synthetic"),)
    step = transforms.Augment(source, (16, 24), 0)
    clip = {"index": 0, "source": 0, **generated.Synthetic(config)[0]}
    clip["flow"] = clip["flow"].copy()
    clip["flow"][0, 3, 4, 1] = np.nan
    out = step(clip)
    assert not out["valid"][0, 3, 4] and out["valid"].sum() == clip["valid"].sum() - 1
    np.testing.assert_array_equal(out["hq"], clip["hq"])
    assert np.isfinite(out["flow"]).all()


def test_every_clip_is_augmented_in_its_own_way():
    step = transforms.Augment((settings.Source("synthetic", augment="dense"),), (16, 24), 0)
    frames = np.random.default_rng(0).random((2, 40, 40, 3), np.float32)
    flow = np.zeros((1, 40, 40, 2), np.float32)
    clip = {"source": 0, "hq": frames, "lq": frames, "flow": flow, "valid": flow[..., 0] == 0}
    first, again, other = (step({**clip, "index": number}) for number in (3, 3, 4))
    assert_same([first], [again])
    assert not np.array_equal(first["hq"], other["hq"]) and "lq" not in first
    assert first["hq"].shape == (2, 16, 24, 3) and first["hq"].dtype == np.float32


def test_held_out_clips_are_the_generators(config):
    first, again = (evaluation.HeldOut(config)[0] for _ in range(2))
    assert_same([first], [again])
    assert first["valid"].all() and first["lq"].shape == (2, 16, 24, 3)


def wrong(**values):
    good = {
        "task": {"name": "optical_flow"},
        "model": {"name": "raft-small"},
        "optimizer": {"lr": 1e-4},
        "train": {"steps": 4, "batch_size": 8},
    }
    scenes = {"height": 128, "width": 128}
    return lambda: experiment.build(good | {"data": {"scene": scenes, **values}})


SYNTHETIC = {"kind": "synthetic"}


@pytest.mark.parametrize(
    "make, match",
    [
        (wrong(name="mixture"), "data.sources: is empty"),
        (wrong(sources=[SYNTHETIC]), "synthetic does not read them"),
        (wrong(name="mixture", sources=[{"kind": "foldr"}]), "Did you mean folder"),
        (wrong(name="mixture", sources=[{"kind": "folder"}]), "source.path: is missing"),
        (wrong(name="mixture", sources=[SYNTHETIC | {"path": "x"}]), "path: means nothing"),
        (wrong(name="mixture", sources=[SYNTHETIC | {"wait": 1}]), r"sources\[0\].wait.*weight"),
        (
            wrong(name="mixture", sources=[SYNTHETIC | {"weight": 0.0}]),
            "weight: is 0.0. Use numbers above 0",
        ),
        (wrong(name="mixture", sources=[{}]), r"sources\[0\].kind: is missing"),
        (wrong(name="mixture", sources="x"), "is not a list of sources"),
        (wrong(name="mixture", sources=[SYNTHETIC], source="device"), "files are read on the host"),
        (lambda: mixture.shares((1.0, 1e-6)), "less than one clip in 1024"),
    ],
)
def test_wrong_sources_are_refused(make, match):
    with pytest.raises(UserError, match=match):
        make()
