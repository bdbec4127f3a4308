"""The generator's clips by number."""

import numpy as np

from daflow_jax.input_pipeline.settings import NUM_CLIPS, DataConfig


class Synthetic:
    """Random access to the generator's clips: item i is clip i of the stream `seed`."""

    def __init__(self, config: DataConfig):
        self.config = config

    def __len__(self) -> int:
        return NUM_CLIPS

    def __getitem__(self, index: int) -> dict:
        """Returns {"index": int, hq, flow, ...}: the clean clip as `synthetic.host` makes it."""
        import cv2

        from daflow_jax.synthetic import host

        cv2.setNumThreads(0)  # one core a worker; OpenCV would start one thread per core in each
        number, config = int(index), self.config
        clip = host.clip(config.scene, config.seed, number, backward=config.backward)
        return {"index": np.int64(number), **clip}
