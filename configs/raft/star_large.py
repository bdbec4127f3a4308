"""RAFT*, large: the published RAFT finetuned on degraded clips with motions up to 180 pixels.

Like configs/raft/star.py, with RAFT instead of RAFT-small, wider clips and faster motion: small
crops and slow motion make published weights forget fast ones. Each clip is estimated at half its
size first, where blur, noise and fast motion are small, and the whole size starts from that flow;
both learn (`task.scales`). Growth up to 0.3 a frame is that of roads seen from a car. Run:
    python train.py --config configs/raft/star_large.py --workdir runs/star_large \
        --config.checkpoint.init_from=models/raft-sintel
The shipped daflow-nano was made so in stages, which its card lists; 4 s a step on two cores.
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(
        name="optical_flow",
        iters=8,
        gamma=0.8,
        max_flow=400.0,
        batch_norm="frozen",
        scales=(0.5,),
    )
    config.model = dict(name="raft")
    config.optimizer = dict(lr=1e-4, schedule="one_cycle", weight_decay=1e-5, clip_norm=1.0)
    config.data = dict(
        source="host",
        num_workers=0,
        keys=("lq", "hq", "flow", "valid", "weight"),
        scene=dict(
            frames=2,
            height=288,
            width=512,
            max_shapes=9,
            min_motion=0.8,
            max_motion=0.35,
            scale=0.3,
        ),
    )  # fmt: skip
    config.degrade = dict(mode="clip", min_severity=1.0, max_severity=5.5, clean_share=0.15)
    config.train = dict(steps=600, batch_size=1, steps_per_call=1, max_bad_steps=10)
    config.eval = dict(every=200, batches=6)
    config.checkpoint = dict(every=50, keep=3, init_from="")
    config.mesh = dict(data=-1, fsdp=1)
    config.precision = "p=f32,c=f32"
    config.seed = 4
    config.log = dict(every=25, pictures_every=0, tensorboard=True)
    return config
