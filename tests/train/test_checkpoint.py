"""Checkpoints: whole round trip, other meshes, damage, and what does not fit."""

import json

import jax
import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.train import checkpoint, setup
from tests.train import toy

# Unread futures of a damaged store are reported when they are collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
META = {"config": {}, "best": None, "data": None}


@pytest.fixture
def saved(tmp_path):
    e = toy.experiment(devices=8, axes={"data": 2, "fsdp": 4})
    state = setup.initial_state(e, setup.abstract_state(e))
    keeper = checkpoint.Checkpoints(tmp_path)
    for step in (1, 2):
        state = state.replace(step=state.step + 1)
        keeper.save(step, state, META)
    keeper.close()
    return tmp_path, state


def _largest(folder):
    return max((p for p in folder.rglob("d/*") if p.is_file()), key=lambda p: p.stat().st_size)


def _restore(workdir, notes=None, **parts):
    keeper = checkpoint.Checkpoints(workdir, log=(notes if notes is not None else []).append)
    try:
        return keeper.restore(setup.abstract_state(toy.experiment(**parts)))
    finally:
        keeper.close()


def test_restore_on_another_mesh_returns_the_same_bits(saved):
    workdir, state = saved
    restored, meta = _restore(workdir)
    assert meta["step"] == int(restored.step) == 2
    same = jax.tree.map(lambda a, b: np.array_equal(_host(a), _host(b)), restored, state)
    assert all(jax.tree.leaves(same))
    assert restored.params["mix"]["kernel"].sharding.mesh.size == 1


def _host(leaf):
    is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf)


@pytest.mark.parametrize("damage", ["flip", "truncate", "meta"])
def test_damaged_newest_checkpoint_falls_back_with_a_note(saved, damage):
    workdir, _ = saved
    newest = workdir / "checkpoints" / "000000002"
    victim = _largest(newest / "state") if damage != "meta" else newest / "meta" / "metadata"
    raw = bytearray(victim.read_bytes())
    if damage == "flip":
        raw[len(raw) // 2] ^= 4
    victim.write_bytes(raw if damage == "flip" else raw[: len(raw) // 2])
    notes = []
    state, meta = _restore(workdir, notes)
    assert meta["step"] == int(state.step) == 1
    assert (
        "checkpoint 000000002 is damaged" in notes[0] and (workdir / "damaged/000000002").exists()
    )


def _rewrite(workdir, change):
    for file in workdir.glob("checkpoints/*/meta/metadata"):
        file.write_bytes(change(file.read_bytes()))


def test_a_flipped_name_is_damage_and_no_other_configuration(saved):
    workdir, _ = saved
    _rewrite(workdir, lambda raw: raw.replace(b"params/mix/kernel", b"params/mix/kernem"))
    with pytest.raises(errors.UserError, match="every checkpoint is damaged"):
        _restore(workdir)
    assert (workdir / "damaged/000000001").exists()


def test_a_checkpoint_without_the_checksum_of_its_meta_is_read_and_said(saved):
    workdir, _ = saved

    def older(raw):
        meta = json.loads(raw)
        del meta[checkpoint.SEAL]
        return json.dumps(meta | {"format": 2}).encode()

    _rewrite(workdir, older)
    notes = []
    assert _restore(workdir, notes)[1]["step"] == 2
    assert notes == ["checkpoint 000000002 is of an older version: " + checkpoint.UNSEALED]


def test_every_checkpoint_damaged_is_an_error(saved):
    workdir, _ = saved
    for step in (1, 2):
        _largest(workdir / f"checkpoints/{step:09d}/state").write_bytes(b"")
    with pytest.raises(errors.UserError, match="every checkpoint is damaged"):
        _restore(workdir)


def test_half_written_checkpoint_is_named_and_ignored(saved):
    workdir, _ = saved
    (workdir / "checkpoints" / "000000003.orbax-checkpoint-tmp").mkdir()
    notes = []
    assert _restore(workdir, notes)[1]["step"] == 2
    assert notes == ["ignored half-written checkpoint 000000003.orbax-checkpoint-tmp"]


def test_other_names_shapes_and_dtypes_are_refused_not_cast(saved):
    workdir, state = saved
    keeper = checkpoint.Checkpoints(workdir)
    like = setup.abstract_state(toy.experiment())
    with pytest.raises(errors.UserError, match="lacks .*ema/"):
        keeper.restore(like.replace(ema={"new": like.step}))
    kernel = like.params["mix"]["kernel"]
    half = jax.ShapeDtypeStruct(kernel.shape, np.float16, sharding=kernel.sharding)
    params = {**like.params, "mix": {"kernel": half}}
    with pytest.raises(errors.UserError, match=r"mix/kernel is float32\[3, 3\].*float16"):
        keeper.restore(like.replace(params=params))
    keeper.close()


def test_empty_workdir_restores_nothing_and_lends_nothing(tmp_path):
    assert _restore(tmp_path) is None
    with pytest.raises(errors.UserError, match="holds no checkpoint"):
        checkpoint.load_variables(tmp_path)
