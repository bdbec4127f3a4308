"""Guess What Moves at a size that a CPU trains in minutes, on the generator's pairs.

Run:
    python train.py --config configs/guess_what_moves/nano.py --workdir runs/gwm
`runs/gwm/export/last` is a segmenter: daflow segment CLIP --segmenter runs/gwm/export/last. It is
judged on new clips of the same kind; see docs/motion_segments.md for the scores.
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="motion_segmentation")
    config.model = dict(name="mask-unet-nano")
    config.optimizer = dict(
        lr=1e-3, schedule="cosine", warmup_steps=100, weight_decay=1e-2,
        groups=(dict(match=(".*/(bias|scale)",), weight_decay=0.0),),
    )  # fmt: skip
    config.data = dict(
        scene=dict(
            height=64, width=96, max_shapes=4, still_share=0.0, nonrigid=0.0, max_motion=0.1,
            min_motion=1.0,
        ),
    )  # fmt: skip
    config.train = dict(steps=3000, batch_size=4)
    config.eval = dict(every=500)
    return config
