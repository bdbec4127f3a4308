"""RAFT*, large: the published RAFT finetuned on degraded clips with motions up to 180 pixels.

Like configs/raft/star.py, with RAFT instead of RAFT-small, wider clips and faster motion: small
crops and slow motion make published weights forget fast ones. Each clip is estimated at half its
size first, where blur, noise and fast motion are small, and the whole size starts from that flow;
both learn (`task.scales`). Growth up to 0.3 a frame is that of roads seen from a car. Run:
    python train.py --config configs/raft/star_large.py --workdir runs/star_large \
        --config.checkpoint.init_from=models/raft-sintel
Time: 4 s a step on two cores. The change in the shipped raft-degraded is from such stages; its
card lists them.
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="optical_flow", iters=8, scales=(0.5,))
    config.model = dict(name="raft")
    config.optimizer = dict(lr=1e-4, weight_decay=1e-5)
    scene = dict(height=288, width=512, max_shapes=9)
    config.data = dict(scene=scene | dict(min_motion=0.8, max_motion=0.35, scale=0.3))
    config.degrade = dict(min_severity=1.0, clean_share=0.15)
    config.train = dict(steps=600, batch_size=1)
    config.eval = dict(every=200, batches=6)
    config.checkpoint = dict(every=50)
    config.seed = 4
    config.log = dict(every=25, pictures_every=0)
    return config
