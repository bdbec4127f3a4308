"""DA-Flow base, stage 1 with the paper's values (DA-Flow, sec. 5.1): 512x512, batch 32, 20k steps,
5e-5.

Needs several accelerators and DiT4SR's weights as a model folder (daflow convert weights). All
parameters but the autoencoder's train; the paper does not say which do. The argument is a built set
of clean videos, in the paper YouHQ; without it the clips are the generator's. Run:
    python -m data.build youhq --source YouHQ --out data/built
    python train.py --config configs/daflow/lift_base.py:data/built/youhq \
        --workdir runs/lift_base --config.mesh.fsdp=4
Nobody has run it to the end: docs/plans.md has its memory and time for a step.
"""

import ml_collections


def get_config(folder=""):
    """Returns the configuration for the built set of videos in `folder`."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="restoration", unit="clip")
    # lq_key as dit4sr_q was trained
    config.model = dict(name="restorer-base", dit=dict(remat="attention", lq_key="hq_twice"))
    config.optimizer = dict(lr=5e-5, schedule="constant", weight_decay=1e-2, frozen=("vae/.*",))
    config.data = dict(  # source="device" on GPUs; untried on TPUs, where gathers are slow
        num_workers=8, keys=("lq", "hq"), scene=dict(frames=3, height=512, width=512)
    )
    if folder:
        config.data.update(name="mixture", sources=(dict(kind="built", path=folder),))
    config.degrade = dict(pipeline="realbasicvsr")
    config.train = dict(steps=20_000, batch_size=32)
    config.eval = dict(every=2000, batches=2)
    config.checkpoint = dict(keep=2, init_from="models/dit4sr")
    config.precision = "p=f32,c=bf16"
    config.seed = 1
    return config
