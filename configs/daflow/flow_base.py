"""DA-Flow base, stage 2 with the paper's values (DA-Flow, sec. 5.1): 512x512, batch 32, 20k steps,
5e-5.

The lifted backbone is frozen; the RAFT part starts from converted RAFT weights (things). The
argument is a folder of pseudo labels: flow that a teacher has estimated on clean videos, in the
paper on YouHQ; without it the clips are the generator's. Run, after configs/daflow/lift_base.py:
    daflow data label YouHQ --model models/sea-raft-m --out data/labels
    python train.py --config configs/daflow/flow_base.py:data/labels --workdir runs/flow_base \
        --config.mesh.fsdp=4
Nobody has run it to the end: docs/plans.md has its memory and time for a step.
"""

import ml_collections


def get_config(folder=""):
    """Returns the configuration for the labels in `folder`."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow")
    backbone = dict(dit=dict(lq_key="hq_twice"))  # as lift_base
    config.model = dict(name="daflow-base", backbone=backbone, flow=dict(lookup="matmul"))
    config.optimizer = dict(lr=5e-5, frozen=("backbone/.*",))
    config.data = dict(num_workers=8, scene=dict(frames=3, height=512, width=512))
    if folder:
        labels = dict(kind="folder", path=folder, layout="labels")
        config.data.update(name="mixture", sources=(labels,))
    config.degrade = dict(pipeline="realbasicvsr")
    config.train = dict(steps=20_000, batch_size=32)
    config.eval = dict(every=2000, batches=2)
    config.checkpoint = dict(keep=2, init_from="backbone=runs/lift_base,flow=models/raft-things")
    config.precision = "p=f32,c=bf16"
    config.seed = 2
    return config
