"""Traced programs that a later process takes from files."""

import os

import numpy as np
import pytest

from daflow_jax import api
from daflow_jax.predict import program, program_files
from tests import tiny


@pytest.fixture
def estimate(tmp_path, monkeypatch):
    """Returns a function that estimates flow as a new process does: (flow, whether it traced)."""
    traced = []

    def run(frames, **options):
        monkeypatch.setattr(program, "_shared", {})
        model = api.FlowModel(
            tiny.config(), tiny.variables(), program_files=tmp_path / "programs", **options
        )
        traced.clear()
        return model(frames, iters=1), bool(traced)

    network = api.FlowModel(tiny.config(), tiny.variables()).module.__class__
    call = network.__call__

    def watched(self, *args, **kwargs):
        traced.append(self)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(network, "__call__", watched)
    return run


def test_a_program_is_found_again_and_its_result_is_the_same_to_the_bit(estimate, tmp_path):
    frames = tuple(tiny.frames(2))
    plain = tiny.model()(frames, iters=1)
    flow, traced = estimate(frames)
    again, then = estimate(frames)
    assert traced and not then
    np.testing.assert_array_equal(again, flow)
    np.testing.assert_array_equal(plain, flow)
    elsewhere, traced = estimate(frames, device="cpu:1")
    assert not traced and len(list((tmp_path / "programs").iterdir())) == 1
    np.testing.assert_array_equal(elsewhere, flow)


def test_other_sizes_sources_and_settings_are_other_programs(estimate, monkeypatch):
    frames = tuple(tiny.frames(2))
    estimate(frames)
    assert estimate(tuple(tiny.frames(2, 96, 120)))[1]
    assert estimate(frames, precision="bf16")[1]
    monkeypatch.setattr(program_files, "_source", lambda: "an edited line")
    assert estimate(frames)[1]


def test_damaged_files_count_as_missing_and_are_mended(estimate, tmp_path):
    frames = tuple(tiny.frames(2))
    flow, _ = estimate(frames)
    (file,) = (tmp_path / "programs").iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:1000], whole[:-1] + bytes([whole[-1] ^ 1])):
        file.write_bytes(damaged)
        again, traced = estimate(frames)
        assert traced
        np.testing.assert_array_equal(again, flow)
    assert not estimate(frames)[1]


def test_programs_of_other_packages_and_of_meshes_are_not_kept(estimate, tmp_path):
    frames = tuple(tiny.frames(2))
    estimate(frames, mesh={"seq": 2})
    assert not (tmp_path / "programs").exists()

    class Foreign(type(tiny.model().module)):
        """A network of another package."""

    model = tiny.model()
    place, arguments = model.programs.place, (model.variables,)
    known = (place, "highest", program_files.name_of, (), arguments)
    assert program_files.name_of(model.module, *known) is not None
    assert program_files.name_of(Foreign(model.config), *known) is None


def test_the_files_used_longest_ago_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr(program_files, "MOST", 250)
    for age, name in enumerate("abc"):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    program_files.ProgramFiles(tmp_path)._make_room()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_folder_that_cannot_be_written_to_changes_nothing(estimate, tmp_path):
    (tmp_path / "programs").write_text("a file is in its place")
    flow, traced = estimate(tuple(tiny.frames(2)))
    assert traced and np.isfinite(flow).all()
