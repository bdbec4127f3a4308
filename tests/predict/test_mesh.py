"""A prediction spread over eight fake devices is that of one device."""

import jax
import numpy as np
import pytest

from daflow_jax import api, cli, errors, io, predict
from tests import tiny


def frames(count, size=(128, 192)):
    return np.random.default_rng(1).random((count, *size, 3), np.float32)


def models(config, variables, mesh):
    layout = predict.Layout(tile="off")
    return [api.FlowModel(config, variables, mesh=m, layout=layout) for m in (None, mesh)]


@pytest.mark.parametrize("mesh", [{"seq": 4}, {"data": 2, "fsdp": 2, "tensor": 2}])
def test_raft_on_a_mesh_equals_one_device(mesh):
    one, spread = models(tiny.config(), tiny.variables(), mesh)
    clip = frames(3)
    expected, found = (model(clip, iters=2) for model in (one, spread))
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert np.abs(expected).max() > 0.1


@pytest.mark.slow
def test_daflow_on_a_mesh_equals_one_device():
    mesh = {"data": 2, "seq": 2, "tensor": 2}
    one, spread = models(tiny.daflow_config(), tiny.daflow_variables(), mesh)
    clip = frames(5, (128, 128))
    expected, found = (model(clip, iters=2) for model in (one, spread))
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert np.abs(expected).max() > 0.1


def test_clips_lie_on_their_devices_and_weights_are_split():
    _, spread = models(tiny.config(), tiny.variables(), {"data": 2, "seq": 2, "fsdp": 2})
    place = spread.programs.place
    clips = jax.device_put(np.zeros((4, 2, 64, 128, 3)), place.input((4, 2, 64, 128, 3)))
    assert {shard.data.shape for shard in clips.addressable_shards} == {(1, 2, 64, 128, 3)}
    assert place.grid(spread.config).padded((100, 130)) == (128, 144) and place.clips_at_once == 4
    leaves = jax.tree.leaves(spread.params)
    assert any(leaf.addressable_shards[0].data.size < leaf.size for leaf in leaves)


@pytest.mark.slow
def test_flow_command_takes_a_mesh(tmp_path, capsys):
    folder = tiny.save(tmp_path / "model")
    for i, frame in enumerate(tiny.frames(3, 64, 96)):
        io.write_image(tmp_path / "clip" / f"{i}.png", frame)
    common = ["--model", str(folder), "--formats", "npy", "--device", "cpu"]
    for name, mesh in (("one", []), ("two", ["--mesh", "data=2"])):
        out = str(tmp_path / name)
        assert cli.main(["flow", str(tmp_path / "clip"), *common, *mesh, "--out", out]) == 0
    one, two = (sorted((tmp_path / name).rglob("*.npy")) for name in ("one", "two"))
    assert len(one) == len(two) == 2
    for first, second in zip(one, two, strict=True):
        np.testing.assert_allclose(np.load(first), np.load(second), atol=2e-4)
    assert cli.main(["flow", str(tmp_path / "clip"), *common, "--mesh", "seq=64"]) == 3
    assert "needs 64 devices" in capsys.readouterr().err


def test_mesh_of_more_devices_than_there_are_is_refused():
    with pytest.raises(errors.UserError, match="needs 16 devices, JAX sees 8") as caught:
        models(tiny.config(), tiny.variables(), {"seq": 16})
    assert caught.value.code == 3
    with pytest.raises(errors.UserError, match="config.mesh.rows: unknown axis"):
        models(tiny.config(), tiny.variables(), {"rows": 2})
