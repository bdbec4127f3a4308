"""DoRA at a size that a CPU trains in minutes, on clips of four frames of the generator.

Run:
    python train.py --config configs/dora/nano.py --workdir runs/dora
Attention of so small a transformer is hardly object-like after minutes: this shows that the
mechanism runs, not what it learns on an hour of video.
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(
        name="dora", hidden=256, bottleneck=64, outputs=1024, global_size=64, local_size=32,
        crops=2, context_size=0, momentum_steps=6000,
    )  # fmt: skip
    config.model = dict(name="vit-nano")
    config.optimizer = dict(
        lr=5e-4, schedule="cosine", warmup_steps=200, weight_decay=0.04, clip_norm=3.0,
        groups=(dict(match=(".*/(bias|scale|gain)",), weight_decay=0.0),),
    )  # fmt: skip
    config.data = dict(scene=dict(frames=4, height=64, width=64, still_share=0.0))
    config.train = dict(steps=6000, batch_size=8)
    config.eval = dict(batches=4)
    config.checkpoint = dict(every=500)
    return config
