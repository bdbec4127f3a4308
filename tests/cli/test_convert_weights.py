"""From a published checkpoint to a flow file, by two commands."""

import json

import numpy as np

from daflow_jax.io import flow, image
from tests.models import published_raft
from tests.pretrained.test_published import save


def test_converted_weights_give_the_published_flow(daflow, tmp_path):
    golden = np.load(published_raft.GOLDEN / "raft_small_a.npz")
    for k in (1, 2):
        image.write_image(tmp_path / f"{k}.png", golden[f"image{k}"][0])
    state = {f"module.{k}": x for k, x in published_raft.state_dict("raft-small", 0).items()}
    save(tmp_path / "raft.safetensors", state)
    code, out, err = daflow("convert", "weights", "raft.safetensors", "m")
    assert code == 0 and "106 of 106 tensors used" in err and "106 arrays" in out
    code, _, err = daflow("flow", "1.png", "2.png", "--model", "m", "--iters", 12, "--bucket", 8)
    assert code == 0, err
    (file,) = (tmp_path / "daflow_out").rglob("*.flo")
    estimate, _ = flow.read_flow(file)
    np.testing.assert_allclose(estimate, golden["flow_up_it12"][0], atol=1.7e-3)


def test_the_report_accounts_for_every_tensor_and_a_model_is_not_overwritten(daflow, tmp_path):
    state = published_raft.state_dict("raft", 0)
    save(tmp_path / "raft.safetensors", state)
    code, out, _ = daflow("convert", "weights", "raft.safetensors", "m", "--json", "--quiet")
    report = json.loads(out)
    assert code == 0 and sorted([*report["used"], *report["ignored"]]) == sorted(state)
    code, _, err = daflow("convert", "weights", "raft.safetensors", "m")
    assert code == 2 and "m: holds a model. Pass --overwrite" in err
    code, _, err = daflow("convert", "weights", "raft.safetensors", "n", "--set", "radius=3")
    assert code == 2 and "does not fit raft" in err and not (tmp_path / "n").exists()
    code, _, err = daflow("convert", "weights", "raft.safetensors", "n", "--set", "radius")
    assert code == 2 and "--set radius: has no value" in err
