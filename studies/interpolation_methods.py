"""Middle frames by several ways, from the same two frames, and where they are judged."""

import functools
from collections.abc import Mapping
from typing import Any

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.models.rife import base
from daflow_jax.models.rife.motion import Motion

NEAR = 3  # pixels from an edge of an object that count as its boundary [choice]
REGIONS = ("all", "occluded", "boundary", "other")


def regions(clip: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns masks (h, w) of the middle frame of a generated clip of three frames.

    Occluded pixels cannot be seen in one of the ends at least; the boundary lies around the edges
    of objects, without those; the rest is other.
    """
    hidden = clip["occlusion_back"][0] | clip["occlusion"][1]
    objects = clip["instances"][1].astype(np.float32)
    square = np.ones((2 * NEAR + 1, 2 * NEAR + 1), np.uint8)
    near = cv2.dilate(objects, square) != cv2.erode(objects, square)
    return {
        "all": np.ones_like(hidden),
        "occluded": hidden,
        "boundary": near & ~hidden,
        "other": ~near & ~hidden,
    }


def true_motion(clip: Mapping[str, np.ndarray], visible: bool = False) -> Motion:
    """Returns the exact flow from the middle to both ends; `visible`: with a mask that leaves out
    the end that does not show a pixel."""
    flow = np.concatenate([clip["flow_back"][0], clip["flow"][1]], -1)[None]
    logit = np.zeros((*flow.shape[:3], 1), np.float32)
    if visible:
        hidden = (clip["occlusion_back"][0], clip["occlusion"][1])
        logit[0, ..., 0] = 20.0 * (hidden[1].astype(np.float32) - hidden[0])
    return Motion(jnp.asarray(flow), jnp.asarray(logit))


def middle_motion(forward: np.ndarray, backward: np.ndarray) -> Motion:
    """Returns the flow from the middle to both ends from that between the ends, (h, w, 2) each.

    Motion is taken to be straight and alike in neighbouring pixels (Jiang et al. 2018, eq. 4).
    """
    step = 0.25 * (forward - backward)
    flow = np.concatenate([-step, step], -1)[None].astype(np.float32)
    return Motion(jnp.asarray(flow), jnp.zeros((*flow.shape[:3], 1)))


class Network:
    """A RIFE network with `estimate` and `synthesize`, on frames of any size."""

    def __init__(self, model: Any):
        self.multiple = model.config.multiple
        self.refines = getattr(model.config, "refine", True)
        apply = functools.partial(model.module.apply, model.variables)
        self._estimate = jax.jit(lambda *args: apply(*args, method="estimate")[-1])
        self._synthesize = jax.jit(lambda *args: apply(*args, method="synthesize"))

    def motion(self, ends: np.ndarray) -> Motion:
        """Returns the network's motion from the middle of `ends` (2, h, w, 3) in [0, 1]."""
        found = self._estimate(self._padded(ends[None]), jnp.array([0.5], jnp.float32))
        height, width = ends.shape[1:3]
        return Motion(*(x[:, :height, :width] for x in found))

    def refined(self, ends: np.ndarray, motion: Motion) -> np.ndarray:
        """Returns the middle frame (h, w, 3) that a motion gives with the correction."""
        motion = Motion(*(self._padded(np.asarray(x)) for x in motion))
        out = self._synthesize(self._padded(ends[None]), *motion)
        return np.asarray(out)[0, : ends.shape[1], : ends.shape[2]]

    def _padded(self, x: np.ndarray) -> jax.Array:
        sides = [-side % self.multiple for side in x.shape[-3:-1]]
        around = [(0, 0)] * (x.ndim - 3) + [(0, side) for side in sides] + [(0, 0)]
        return jnp.asarray(np.pad(x, around))


@jax.jit
def _blended(ends: jax.Array, motion: Motion) -> jax.Array:
    return base.blended(ends, motion)


def blended(ends: np.ndarray, motion: Motion) -> np.ndarray:
    """Returns the middle frame (h, w, 3) as the plain blend of both warped ends."""
    return np.asarray(_blended(jnp.asarray(ends[None]), motion))[0]


def flow_between(flow_model: Any, ends: np.ndarray) -> Motion:
    """Returns the motion from the middle by an optical flow model, called both ways."""
    return middle_motion(flow_model(ends)[0], flow_model(ends[::-1])[0])


def candidates(
    clip: Mapping[str, np.ndarray], ends: np.ndarray, network: Network, flow_model: Any
) -> dict[str, np.ndarray]:
    """Returns middle frames (h, w, 3) by way, from `ends` (2, h, w, 3) in [0, 1]."""
    own, estimated = network.motion(ends), flow_between(flow_model, ends)
    true, seen = true_motion(clip), true_motion(clip, visible=True)
    found = {
        "mean of the ends": ends.mean(0),
        "true flow, blend": blended(ends, true),
        "true flow, blend of what is visible": blended(ends, seen),
        "estimated flow, blend": blended(ends, estimated),
        "RIFE's flow and mask, blend": blended(ends, own),
    }
    if network.refines:
        found |= {
            "true flow, what is visible, refined": network.refined(ends, seen),
            "estimated flow, refined": network.refined(ends, estimated),
            "RIFE's flow and mask, refined": network.refined(ends, own),
        }
    return found
