"""FlowE with the values of its published re-implementation (PooDLe's code, configs/exp/flowe.yaml).

Pairs 15 to 30 frames apart of a folder of videos, flow of RAFT on the frames as they were. Run:
    python train.py --config configs/flowe/bdd100k.py:data/bdd100k --workdir runs/flowe_bdd \
        --config.checkpoint.init_from=flow=models/raft
An epoch is 70,000 videos with two pairs each; 128 pairs a step. Published training ran on several
GPUs; nothing of this file was run here.
"""

import ml_collections

EPOCH = 1094  # steps


def get_config(folder="data/bdd100k"):
    """Returns the configuration for the files in `folder`."""
    config = ml_collections.ConfigDict()
    config.task = dict(
        name="flow_equivariance", flow_from="network", iters=30, momentum_steps=300 * EPOCH
    )
    config.model = dict(name="resnet50-s8")
    config.networks = dict(flow=dict(name="raft"))
    config.optimizer = dict(
        lr=5e-4, schedule="cosine", final_lr=1e-4, warmup_steps=2 * EPOCH, eps=1e-6,
        weight_decay=1e-2, clip_norm=1e9, frozen=("flow/.*",),
        groups=(dict(match=(".*/(bias|scale)",), weight_decay=0.0),),
    )  # fmt: skip
    scene = dict(frames=2, height=512, width=1024)
    sources = (dict(kind="folder", path=folder, degrade=False),)
    config.data = dict(name="mixture", gap=(15, 30), sources=sources, scene=scene, num_workers=8)
    config.train = dict(steps=300 * EPOCH, batch_size=128)
    config.eval = dict(every=10 * EPOCH)
    return config
