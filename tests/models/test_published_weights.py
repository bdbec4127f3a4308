"""The authors' own RAFT weights give the authors' own flow.

Needs files that this repository may not hold: DAFLOW_RAFT_WEIGHTS names a folder with
raft-small.pth, raft-sintel.pth, raft-kitti.pth and rubberwhale_crop.npz, in which the published
network's flow of one crop is kept after 1, 4 and 12 iterations.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from daflow_jax import api
from daflow_jax.pretrained import published

FOLDER = Path(os.environ.get("DAFLOW_RAFT_WEIGHTS", "/nowhere"))
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="set DAFLOW_RAFT_WEIGHTS to a folder with the published weights"
)


@pytest.mark.parametrize("name", ["raft_small", "raft_sintel"])
def test_flow_equals_that_of_the_published_network(name, tmp_path):
    job = published.prepare(published.Request(FOLDER / f"{name.replace('_', '-')}.pth"))
    model = api.load(published.convert(job, tmp_path / name))
    model.layout = model.layout._replace(bucket=8)
    reference = np.load(FOLDER / "rubberwhale_crop.npz")
    frames = np.stack([reference["frame1_rgb_uint8"], reference["frame2_rgb_uint8"]])
    for iters in (1, 4, 12):
        flow = model(frames, iters=iters)[0]
        np.testing.assert_allclose(flow, reference[f"{name}_iters{iters}_flow_up"], atol=2e-3)


def test_the_kitti_weights_convert(tmp_path):
    job = published.prepare(published.Request(FOLDER / "raft-kitti.pth"))
    assert job.arch == "raft" and len(job.plan.sources) == 154
