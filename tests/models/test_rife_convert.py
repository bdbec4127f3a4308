"""Published RIFE files: recognised, joined, and refused by the name of what they are."""

import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.convert.architecture import Request
from daflow_jax.io import safetensors_file
from daflow_jax.pretrained import published as checkpoints
from tests.models import published_rife as published


def _file(folder, preset, prefix="", drop="-", name="net"):
    """Returns a file of zeros with the tensors of a version whose names begin with `prefix`."""
    shapes = published.names(preset)["params"]
    path = folder / f"{name}.safetensors"
    kept = {
        name.removeprefix(prefix): tuple(shape)
        for name, shape in shapes.items()
        if name.startswith(prefix) and not name.startswith(drop)
    }
    layout = {name: (np.dtype("float16"), shape) for name, shape in kept.items()}
    zeros = ((name, np.zeros(shape, np.float16)) for name, shape in kept.items())
    safetensors_file.write(path, layout, zeros)
    return path


@pytest.mark.parametrize("preset", ["rife-3.5", "rife-4.6", "rife-4.25"])
def test_every_version_is_recognised(tmp_path, preset):
    job = checkpoints.prepare(Request(_file(tmp_path, preset)))
    assert job.arch == preset and not job.plan.initial


def test_another_version_is_refused_by_name(tmp_path):
    with pytest.raises(errors.UserError, match=r"this is RIFE 3.8, not 4.0.*--arch rife-3.8"):
        checkpoints.prepare(Request(_file(tmp_path, "rife-3.8"), "rife-4.0"))
    with pytest.raises(errors.UserError, match="this is RIFE 4.6, not of the paper"):
        checkpoints.prepare(Request(_file(tmp_path, "rife-4.6"), "rife"))


def test_the_paper_s_network_with_time_or_without_a_teacher(tmp_path):
    assert checkpoints.prepare(Request(_file(tmp_path, "rife-m"))).config.any_time
    job = checkpoints.prepare(Request(_file(tmp_path, "rife", drop="block_tea")))
    assert job.arch == "rife" and not job.config.teacher and not job.config.any_time
    fine = checkpoints.prepare(Request(_file(tmp_path, "rife"), overrides={"fine": True}))
    assert fine.config.fine and fine.config.teacher


def test_later_weights_without_their_refinement(tmp_path):
    job = checkpoints.prepare(Request(_file(tmp_path, "rife-4.0"), overrides={"refine": False}))
    assert not [path for path in job.plan.shapes if "unet" in path or "contextnet" in path]


def test_three_files_of_3_1(tmp_path):
    flow, context, fusion = (
        _file(tmp_path, "rife-3.1", prefix, name=prefix)
        for prefix in ("flownet.", "contextnet.", "fusionnet.")
    )
    both = {"context": (str(context),), "fusion": (str(fusion),)}
    job = checkpoints.prepare(Request(flow, companions=both))
    assert job.arch == "rife-3.1" and len(job.plan.sources) == 152
    with pytest.raises(errors.UserError, match="three files; context and fusion missing"):
        checkpoints.prepare(Request(flow))
    with pytest.raises(errors.UserError, match="three files; fusion missing"):
        checkpoints.prepare(Request(flow, companions={"context": both["context"]}))
    with pytest.raises(errors.UserError, match="begins with flownet.pkl"):
        checkpoints.prepare(Request(fusion))
    swapped = {"context": both["fusion"], "fusion": both["context"]}
    with pytest.raises(errors.UserError, match="is not RIFE 3.1's context network"):
        checkpoints.prepare(Request(flow, companions=swapped))
    with pytest.raises(errors.UserError, match="is not read for rife-3.8"):
        checkpoints.prepare(Request(_file(tmp_path, "rife-3.8"), companions=both))
