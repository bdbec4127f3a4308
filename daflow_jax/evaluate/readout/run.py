"""The readout of a model on a named set: IoU of a linear layer, k-NN, and the features' rank."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from daflow_jax import errors
from daflow_jax.evaluate.readout import linear, sets
from daflow_jax.metrics import features as metrics

KNN_CELLS = 4096  # [choice] in the bank
Extractor = Callable[[np.ndarray], np.ndarray]  # frames (n, h, w, 3) -> maps (n, gh, gw, c)


def readout(
    extract: Extractor,
    name: str = "shapes",
    size: tuple[int, int] = (96, 96),
    train: int = 200,
    test: int = 200,
    draws: int = 3,
    steps: int = linear.STEPS,
) -> dict[str, Any]:
    """Returns {"miou", "miou_small", "miou_large", "knn": one number a draw, "rank": a number}.

    Args:
        extract: frames to maps; a loaded model of kind `features` is one. It is not trained.
        name: of `sets`. size: of the frames, in pixels.
        train, test: frames; each of the `draws` trains on frames of its own, and all are measured
            on the same ones.

    miou is the mean over classes of intersection over union of all pixels, without those that no
    pixel has; "_small" over pixels of small instances and "_large" over the other ones of objects.
    """
    if min(train, test, draws) < 1:
        rule = f"{train} to train on, {test} to measure, {draws} draws"
        raise errors.UserError("readout", rule, "Each is at least 1")
    make = sets.get(name)
    held = make(test, size, 0)
    seen = _maps(extract, held.frames)
    flat = jnp.asarray(seen.reshape(-1, seen.shape[-1]))
    out: dict[str, Any] = {"rank": float(metrics.effective_rank(flat))}
    for draw in range(draws):
        given = make(train, size, test + draw * train)
        maps = _maps(extract, given.frames)
        labels = _called(maps, given, seen, size, draw, steps)
        scores = _scores(labels, held) | {"knn": _knn(maps, given, seen, held, draw)}
        for key, value in scores.items():
            out.setdefault(key, []).append(value)
    return out


def called(
    extract: Extractor,
    frames: np.ndarray,
    name: str = "shapes",
    train: int = 200,
    first: int = 0,
    steps: int = linear.STEPS,
) -> np.ndarray:
    """Returns the classes (n, h, w) that a linear layer on the features calls in frames
    (n, h, w, 3); it is trained on `train` labelled frames of a set, from number `first` on.
    """
    size = frames.shape[1:3]
    given = sets.get(name)(train, size, first)
    maps = _maps(extract, given.frames)
    return _called(maps, given, _maps(extract, frames), size, 0, steps)


def _called(maps, given: sets.Labelled, seen, size, seed: int, steps: int) -> np.ndarray:
    count = len(given.names)
    layer = linear.train(jnp.asarray(maps), jnp.asarray(given.classes), count, seed, steps)
    parts = [seen[k : k + 50] for k in range(0, len(seen), 50)]
    return np.concatenate([linear.predict(layer, jnp.asarray(part), size) for part in parts])


def _maps(extract, frames) -> np.ndarray:
    return np.concatenate([extract(frames[k : k + 25]) for k in range(0, len(frames), 25)])


def _scores(called: np.ndarray, held: sets.Labelled) -> dict[str, float]:
    count = len(held.names)
    objects = held.classes > 0
    places = {"": held.classes >= 0, "_small": held.small, "_large": objects & ~held.small}
    out = {}
    for suffix, where in places.items():
        pairs = count * held.classes[where] + called[where]
        table = np.bincount(pairs, minlength=count * count).reshape(count, count)
        if suffix:
            out[f"miou{suffix}"] = _found(table)
        else:
            iou = metrics.class_iou(jnp.asarray(table, jnp.float32))
            out["miou"] = float(jnp.nanmean(iou))
    return out


def _found(table: np.ndarray) -> float:
    """Returns the mean over classes of intersection over union among the pixels of a group."""
    iou = np.asarray(metrics.class_iou(jnp.asarray(table, jnp.float32)))
    present = table.sum(1) > 0
    return float(iou[present].mean()) if present.any() else float("nan")


def _knn(maps, given: sets.Labelled, seen, held: sets.Labelled, draw: int) -> float:
    """Returns the share of held-out cells whose class their nearest cells say: the class in the
    middle of a cell, as many cells of each class as there are of the rarest.
    """
    rng = np.random.default_rng(draw)
    bank, own = _balanced(maps, given.classes, rng)
    query, true = _balanced(seen, held.classes, rng)
    found = metrics.nearest_classes(
        jnp.asarray(query), jnp.asarray(bank), jnp.asarray(own), len(given.names)
    )
    return float(np.mean(np.asarray(found) == true))


def _balanced(maps, classes, rng) -> tuple[np.ndarray, np.ndarray]:
    grid, size = maps.shape[1:3], classes.shape[1:]
    rows, columns = (
        ((np.arange(cells) + 0.5) * side / cells).astype(int)
        for cells, side in zip(grid, size, strict=True)
    )
    labels = classes[:, rows][:, :, columns].reshape(-1)
    cells = maps.reshape(-1, maps.shape[-1])
    known = np.unique(labels[labels >= 0])
    few = min(KNN_CELLS // len(known), *(int((labels == k).sum()) for k in known))
    places = [rng.choice(np.flatnonzero(labels == k), few, replace=False) for k in known]
    chosen = np.concatenate(places)
    return cells[chosen], labels[chosen].astype(np.int32)
