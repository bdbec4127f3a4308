"""FlowE at a size that a CPU trains in minutes, on the generator's pairs with their true flow.

Run:
    python train.py --config configs/flowe/nano.py --workdir runs/flowe
`runs/flowe/export/last` holds the student's encoder, `last-teacher` the teacher's. With
--config.task.flow_from=network, --config.networks.flow.name=raft-small,
--config.optimizer.frozen="('flow/.*',)" and --config.checkpoint.init_from="flow=DIR" the flow is
that of a model, found in the step on the frames as they were; the frames are then at least 128 px.
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(
        name="flow_equivariance", hidden=256, features=64, every=4, momentum_steps=4000, color=0.5
    )
    config.model = dict(name="resnet-nano")
    config.optimizer = dict(
        lr=5e-4, schedule="cosine", warmup_steps=100, weight_decay=1e-2, eps=1e-6, clip_norm=1e9,
        groups=(dict(match=(".*/(bias|scale)",), weight_decay=0.0),),
    )  # fmt: skip
    config.data = dict(scene=dict(height=96, width=96, still_share=0.0))
    config.train = dict(steps=4000, batch_size=16)
    config.eval = dict(batches=4)
    config.checkpoint = dict(every=500)
    return config
