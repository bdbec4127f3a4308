"""What the whole network makes of a sample: restored frames, and flow with foreign features."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from daflow_jax import models
from daflow_jax.evaluate.probing.samples import Sample
from daflow_jax.metrics import flow as flow_metrics
from daflow_jax.metrics import image
from daflow_jax.models import calls

MOST = 60.0  # dB that equal pictures count as [choice]


def restoration(config: Any, variables: Any, seed: int) -> Callable[[Sample], dict[str, float]]:
    """Returns the PSNR (dB) of a sample's pair before and after restoration in one step."""
    module, key = models.build(config), jax.random.key(seed)

    @jax.jit
    def psnr(variables, key, lq, hq):
        restored = calls.call(module, variables, key, lq[None])[0]
        return image.psnr(lq, hq), image.psnr(restored, hq)

    def measure(sample):
        with jax.default_matmul_precision("highest"):
            values = psnr(variables, key, sample.lq, sample.hq)
        pair = slice(sample.first, sample.first + 2)
        before, after = (float(np.mean(np.minimum(x, MOST)[pair])) for x in values)
        return {"psnr_lq": before, "psnr": after}

    return measure


def exchange(
    config: Any, variables: Any, iters: int, seed: int
) -> Callable[[Sample, Sample], dict[str, float]]:
    """Returns the EPE (pixels) of a sample's flow, and of the flow when the backbone of the flow
    network sees another sample, "epe_exchanged"."""
    module, key = models.build(config), jax.random.key(seed)

    @jax.jit
    def epe(variables, key, frames, seen, flow, valid, first):
        options = {"iters": iters, "backbone_frames": seen[None]}
        out = calls.call(module, variables, key, frames[None], **options)
        return flow_metrics.epe(out.flows[-1, 0, first], flow, valid).compute()

    def measure(sample, other):
        with jax.default_matmul_precision("highest"):
            own, foreign = (
                epe(variables, key, sample.lq, seen, sample.flow, sample.valid, sample.first)
                for seen in (sample.lq, other.lq)
            )
        return {"epe": float(own), "epe_exchanged": float(foreign)}

    return measure
