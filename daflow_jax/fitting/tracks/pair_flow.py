"""Flow between many pairs of frames of a clip, on the disk, and where it can be trusted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from daflow_jax import errors
from daflow_jax.fitting.reduced import Clip
from daflow_jax.io import atomic
from daflow_jax.ops import coords, sample

CYCLE = 3.0  # pixels there and back (preprocessing/filter_raft.py)
NEAR = 3  # frames apart from which occluded points are not kept
FLOW, KNOWN, HEAD = "flow.npy", "known.npy", "flow.json"
SEEN, HIDDEN = 1, 2  # bits of `known`


class PairFlow(NamedTuple):
    """pairs: (p, 2) frame numbers. flow: (p, h, w, 2) float16 pixels, mapped from the disk. known:
    (p, h, w) bits, SEEN where the flow comes back, HIDDEN where the point is occluded and the flow
    is likely right all the same.
    """

    pairs: np.ndarray
    flow: np.ndarray
    known: np.ndarray


def pairs_within(frames: int, gap: int) -> np.ndarray:
    """Returns the ordered pairs of different frames at most `gap` apart, a pair and its reverse
    beside each other.
    """
    found = []
    for first in range(frames):
        for second in range(first + 1, min(first + gap, frames - 1) + 1):
            found += [(first, second), (second, first)]
    return np.array(found, np.int32).reshape(-1, 2)


def reliable(
    flow: Float[Array, "h w 2"], backward: Float[Array, "h w 2"], apart: Any
) -> tuple[Bool[Array, "h w"], Bool[Array, "h w"]]:
    """Returns where flow comes back within CYCLE pixels, and where points are occluded but their
    flow is likely right: it does not come back, its end does, and the frames are near.

    The published filter also asks for similar DINO features at the two ends of gaps of 3 or more;
    no such weights are known here.
    """
    height, width = flow.shape[:2]
    grid = coords.pixel_grid(height, width)
    end = grid + flow
    back = flow + _read(backward, end)
    off = jnp.linalg.norm(back, axis=-1)
    again = _read(flow, grid + back)
    second = jnp.linalg.norm(back + again - flow, axis=-1)
    limit = jnp.asarray((width - 1.0, height - 1.0))
    inside = jnp.all((end >= 0) & (end <= limit), -1)
    hidden = (second < CYCLE) & (off > 1.5 * CYCLE) & inside & (apart < NEAR)
    return off < CYCLE, hidden


def _read(image, places):
    return sample.bilinear(image[None], places[None])[0]


_reliable = jax.jit(reliable)


def estimate(
    clip: Clip,
    model: Any,
    gap: int,
    folder: Path,
    progress: Callable[[], None] = lambda: None,
    **options: Any,
) -> PairFlow:
    """Returns the flow of all pairs at most `gap` apart, by a `FlowModel`, from the folder where a
    run before found it.

    Half-finished folders go on. Raises UserError for a folder with flow of other frames, another
    size or another model.
    """
    pairs = pairs_within(len(clip.frames), gap)
    shape = (len(pairs), *clip.frames.shape[1:3])
    head = {
        "frames": clip.digest,
        "shape": list(shape),
        "model": [model.name, model.meta.get("sha256"), _plain(options)],
    }
    done = _begun(folder, head)
    mode = "r+" if done is not None else "w+"
    flow = np.lib.format.open_memmap(folder / FLOW, mode, np.float16, (*shape, 2))
    known = np.lib.format.open_memmap(folder / KNOWN, mode, np.uint8, shape)
    for place in range(done or 0, len(pairs), 2):
        first, second = (clip.frames[n] for n in pairs[place])
        both = model(np.stack([first, second, first]), **options)
        for row, (one, other) in enumerate((both, both[::-1])):
            seen, hidden = _reliable(one, other, int(abs(np.diff(pairs[place])[0])))
            flow[place + row] = np.clip(one, -65000, 65000)
            known[place + row] = SEEN * np.asarray(seen) | HIDDEN * np.asarray(hidden)
        progress()
        if place % 64 == 0 or place + 2 >= len(pairs):
            flow.flush()
            known.flush()
            atomic.write_text(folder / HEAD, json.dumps({**head, "done": place + 2}))
    return PairFlow(pairs, flow, known)


def _begun(folder: Path, head: dict[str, Any]) -> int | None:
    """Returns how many pairs are there, None where the folder holds none."""
    file = folder / HEAD
    folder.mkdir(parents=True, exist_ok=True)
    if not file.is_file() or not (folder / FLOW).is_file() or not (folder / KNOWN).is_file():
        return None
    remedy = "Pass --overwrite, or another --out"
    try:
        found = json.loads(file.read_text())
        done = int(found["done"])
    except (ValueError, KeyError, TypeError) as error:
        raise errors.UserError(file, "is not a readable record of flow", remedy) from error
    for key, what in (("frames", "other frames"), ("shape", "another size or gap")):
        if found.get(key) != head[key]:
            raise errors.UserError(folder / FLOW, f"is flow of {what}", remedy)
    if found.get("model") != json.loads(json.dumps(head["model"])):
        raise errors.UserError(folder / FLOW, "is flow of another model", remedy)
    return done


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sorted(options.items()) if value is not None}
