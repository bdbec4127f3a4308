"""FLOPs of a step do not depend on what it recomputes, nor on the mesh it is traced under."""

import dataclasses

import jax
import pytest

from daflow_jax import experiment
from daflow_jax.experiment import config_file
from daflow_jax.profiling import flops
from daflow_jax.train import model_flops, setup

SMALL = [
    "--config.model.dit.depth=2",
    "--config.model.dit.heads=2",
    "--config.model.dit.head_dim=16",
    "--config.model.dit.taps=(0,)",
    "--config.data.scene.height=64",
    "--config.data.scene.width=64",
]


def counted(*overrides):
    """Returns the FLOPs of the model, and those of the step as it is, of the nano lifting stage."""
    config = config_file.read("configs/daflow/lift.py", [*SMALL, *overrides])
    e = experiment.build(config, jax.devices()[:4])
    with jax.set_mesh(e.mesh):
        state = setup.abstract_state(e)
        batch = setup.batch_spec(e)
        per_step = model_flops.per_step(e.task, e.optimizer, state, batch)
        return per_step, flops.needed(setup.make_step(e), state, batch)


@pytest.mark.slow
def test_recomputed_work_and_meshes_are_left_out():
    plain, as_it_is = counted("--config.model.dit.attention=plain")
    assert plain == pytest.approx(as_it_is, rel=1e-6)
    again, with_it = counted("--config.model.dit.remat=full", "--config.mesh.fsdp=2")
    assert again == plain and with_it > 1.05 * plain


def test_plain_reaches_every_part_of_a_network():
    config = config_file.read("configs/daflow/flow.py").to_dict()
    config["model"]["backbone"]["dit"] |= {"remat": "dots", "attention": "blockwise"}
    model = experiment.build_model(config)
    plain = model_flops.plain(model)
    assert plain.backbone.dit.remat == "none" and plain.backbone.dit.attention == "plain"
    changed = dataclasses.replace(plain.backbone.dit, remat="dots", attention="blockwise")
    assert changed == model.backbone.dit and plain.flow == model.flow
