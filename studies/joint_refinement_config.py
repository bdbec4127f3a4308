"""One arm of `studies.joint_refinement`: JFFRA nano on noisy generated clips with DIS as start.

python train.py --config studies/joint_refinement_config.py:refined --workdir runs/refined
"""

import functools
from typing import Any

import ml_collections
import numpy as np

from daflow_jax.evaluate import baselines
from daflow_jax.input_pipeline import generated, settings, sources

ARMS = {  # name: (what it is, changes)
    "none": ("no warp: neighbours as they are", {"model.block.alignment": "none"}),
    "fixed": ("start flow, not refined", {"model.block.alignment": "fixed"}),
    "refined": ("flow refined by the restoration alone", {}),
    "supervised": ("flow refined, true flow asked for", {"task.flow": 0.05}),
    "true": ("true flow: the ceiling", {"model.block.alignment": "fixed", "task.start": "true"}),
}
_TEMPORAL = {"task.start": "true", "task.flow": 0.05, "data.scene.frames": 4}
TEMPORAL_ARMS = {
    "still": ("clips of two windows, no temporal loss", _TEMPORAL),
    "temporal": ("the same with the temporal loss, 0.2", {**_TEMPORAL, "task.temporal": 0.2}),
}
CLIPS = 700  # different scenes of the training
SIGMA = 40.0  # grey levels
SEED_OF_NOISE = 0x401
SCENE: dict[str, Any] = dict(
    frames=3, height=64, width=64, max_motion=0.12, blur_share=0.0, illumination=0.0
)


class NoisyClips(generated.Synthetic):
    """The generator's clips under white noise, new at every showing, and what OpenCV's DIS finds on
    the noisy frames from the middle to its neighbours."""

    def __len__(self) -> int:
        return settings.NUM_CLIPS

    def __getitem__(self, index: int) -> dict:
        clip, number = self._clean(int(index) % CLIPS), int(index)
        rng = np.random.default_rng([self.config.seed % 2**64, number, SEED_OF_NOISE])
        noise = rng.standard_normal(clip["hq"].shape, np.float32) * np.float32(SIGMA / 255)
        lq = clip["hq"] + noise
        seen = np.round(255 * lq.clip(0, 1)).astype(np.uint8)
        start = [baselines.dis(np.stack([seen[1], seen[k]])) for k in (0, 2)]
        made = {"index": np.int64(number), "lq": lq, "degraded": True}
        return {**clip, **made, "start": np.stack(start)}

    def __getstate__(self) -> dict:
        return {"config": self.config}

    @functools.cached_property
    def _kept(self) -> dict[int, dict]:
        return {}

    def _clean(self, place: int) -> dict:
        if place not in self._kept:
            clip = super().__getitem__(place)
            self._kept[place] = {key: x for key, x in clip.items() if key != "index"}
        return self._kept[place]


if sources.SOURCES.get("noisy_clips") is None:
    sources.register("noisy_clips", NoisyClips)

_TRUTH = ("flow", "valid", "flow_back", "valid_back")


def _put(config, name: str, value) -> None:
    *parents, field = name.split(".")
    for parent in parents:
        if parent not in config:
            config[parent] = ml_collections.ConfigDict()
        config = config[parent]
    config[field] = value


def get_config(arm: str = "supervised"):
    """Returns the configuration of an arm."""
    config = ml_collections.ConfigDict()
    config.task = dict(name="video_restoration", degradation="given", start="given")
    config.model = dict(name="jffra-nano")
    heads = dict(match=(".*/flow_head/.*",), lr_scale=0.125)  # as VRT's flow network
    config.optimizer = dict(lr=1e-3, schedule="cosine", groups=(heads,))
    config.data = dict(name="noisy_clips", scene=dict(SCENE))
    config.train = dict(steps=1500, batch_size=2)
    config.eval = dict(every=0, batches=24)
    config.log = dict(tensorboard=False)
    for name, value in (ARMS | TEMPORAL_ARMS)[arm][1].items():
        _put(config, name, value)
    start = ("start",) if config.task["start"] == "given" else ()
    _put(config, "data.keys", ("hq", "lq", *_TRUTH, *start))
    return config
