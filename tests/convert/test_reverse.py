"""Rules read backwards: the published name of each of our parameters."""

import json

import numpy as np
import pytest

from daflow_jax import errors, models, pretrained
from daflow_jax.convert import engine, reverse
from daflow_jax.io import safetensors_file
from daflow_jax.pretrained import foreign, published
from tests import tiny
from tests.convert.test_raft_names import torchvision_name
from tests.models import published_raft


def test_a_group_used_twice_and_an_escaped_dot():
    rules = [(r"a\.(x|y)(\d)\.w", r"params/\2/\1\2/kernel", engine.conv)]
    name, inverse = reverse.name_of("params/3/y3/kernel", rules)
    array = np.arange(120).reshape(2, 3, 4, 5)
    assert name == "a.y3.w" and np.array_equal(inverse(engine.conv(array)), array)
    for path in ("params/3/y4/kernel", "params/3/z3/kernel", "xparams/3/y3/kernel"):
        with pytest.raises(errors.UserError, match="has no published name"):
            reverse.name_of(path, rules)


@pytest.mark.parametrize("pattern", [r"(\d)a(?:b|c)", r"(\d)c(a|b)"])
def test_a_rule_that_loses_part_of_the_name_cannot_be_read_backwards(pattern):
    with pytest.raises(errors.UserError, match="has no published name"):
        reverse.name_of("params/3", [(pattern, r"params/\1", engine.same)])


@pytest.mark.parametrize("name, file", [("raft", "raft_large"), ("raft-small", "raft_small")])
def test_torchvisions_file_holds_its_names_and_comes_back_bit_for_bit(name, file, tmp_path):
    state = published_raft.state_dict(name, 0)
    twins = published_raft.names(name).get("aliases", {})
    theirs = {
        torchvision_name(key): x
        for key, x in state.items()
        if key not in twins and not key.endswith("num_batches_tracked")
    }
    architecture = published.architectures()[name]
    config = models.preset(name)
    shapes = pretrained.shapes(config)
    ours = engine.convert(theirs, architecture.rules, shapes, architecture.ignored(config))
    variables = engine.unflatten(ours.parameters)
    pretrained.save(tmp_path / "ours", config, variables, name="ours")
    path, ignored = foreign.write(tmp_path / "ours", "torchvision", tmp_path / "tv")
    assert not ignored and path.name == f"{file}.safetensors"
    written = safetensors_file.read(path)
    assert set(written) == set(theirs)
    assert all(np.array_equal(written[key], theirs[key]) for key in theirs)
    job = published.prepare(published.Request(path))
    back = pretrained.flatten(pretrained.load(published.convert(job, tmp_path / "back")).variables)
    assert job.arch == name and set(back) == set(ours.parameters)
    assert all(np.array_equal(back[key], ours.parameters[key]) for key in back)
    assert f"optical_flow.{file}()" in (tmp_path / "tv" / foreign.EXAMPLE).read_text()


def test_a_network_that_torchvision_lacks_is_refused(tmp_path):
    with pytest.raises(errors.UserError, match="is a raft of a size .* It has: raft, raft-small"):
        foreign.write(tiny.save(tmp_path / "tiny"), "torchvision", tmp_path / "out")
    with pytest.raises(
        errors.UserError, match="is of family daflow, which torchvision does not have"
    ):
        foreign.write(tiny.save_daflow(tmp_path / "da"), "torchvision", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert "torchvision" in foreign.libraries() and json.dumps(foreign.libraries())
