"""DA-Flow base, stage 1 with the paper's values (DA-Flow, sec. 5.1): 512x512, batch 32, 20k steps,
5e-5.

Needs several accelerators and converted DiT4SR weights as a workdir or model folder. All
parameters but the autoencoder's train; the paper does not say which do. Run:
    python train.py --config configs/daflow/lift_base.py --workdir runs/lift_base \
        --config.mesh.fsdp=4 --config.checkpoint.init_from=DIR
"""

import ml_collections


def get_config():
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="restoration", unit="clip", weighting="x0")
    # lq_key as dit4sr_q was trained
    config.model = dict(name="restorer-base", dit=dict(remat="attention", lq_key="hq_twice"))
    config.optimizer = dict(
        lr=5e-5, schedule="constant", weight_decay=1e-2, clip_norm=1.0, frozen=("vae/.*",)
    )
    config.data = dict(
        source="host",  # "device" on GPUs; untried on TPUs, where gathers are slow
        num_workers=8,
        keys=("lq", "hq", "weight"),
        scene=dict(frames=3, height=512, width=512),
    )
    config.degrade = dict(pipeline="realbasicvsr")
    config.train = dict(steps=20_000, batch_size=32)
    config.eval = dict(every=2000, batches=2)
    config.checkpoint = dict(every=1000, keep=2, init_from="")
    config.mesh = dict(data=-1, fsdp=1)
    config.precision = "p=f32,c=bf16"
    config.seed = 1
    config.log = dict(every=50, pictures_every=1000, tensorboard=True)
    return config
