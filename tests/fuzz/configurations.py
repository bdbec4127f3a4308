"""Configuration files of training with wrong fields, and overrides."""

import random
from typing import Any

from tests.fuzz import mutate

GOOD: dict[str, Any] = {
    "task": {"name": "optical_flow", "iters": 2},
    "model": {"name": "raft-small"},
    "optimizer": {
        "lr": 1e-4,
        "schedule": "constant",
        "ema_decay": 0.5,
        "groups": [{"match": ["a"]}],
    },
    "data": {"scene": {"height": 128, "width": 128, "num_textures": 2}, "num_workers": 0},
    "degrade": {"clean_share": 0.5, "mode": "clip"},
    "train": {"steps": 4, "batch_size": 2, "steps_per_call": 1, "accumulate": 1},
    "eval": {"every": 2, "batches": 1, "sets": [{"name": "s", "kind": "synthetic"}]},
    "checkpoint": {"every": 2, "keep": 2, "init_from": ""},
    "log": {"every": 1, "pictures_every": 0, "profile": []},
    "mesh": {"data": -1},
    "seed": 3,
}
_FIELDS = (
    "optimizer.beta1", "optimizer.weight_decay", "optimizer.clip_norm", "optimizer.warmup_steps",
    "optimizer.frozen", "optimizer.train", "optimizer.name", "task.scales", "task.gamma",
    "data.source", "data.sources", "data.keys", "data.name", "data.scene.frames", "precision",
    "data.scene.max_motion", "data.scene.texture_size", "data.scene.textures", "model.radius",
    "model.widths", "model.lookup", "model.var_max", "degrade.pipeline", "degrade.max_severity",
    "networks", "checkpoint.init_from", "train.max_bad_steps", "model.name", "task.name",
)  # fmt: skip
_CODE = (
    "def get_config(:", "import nosuchmodule", "def get_config():\n    return None", "", "\x00",
    "def get_config():\n    return 1 / 0", "def get_config():\n    raise SystemExit(7)",
    "def get_config():\n    return get_config()", "get_config = 3",
    "def get_config():\n    return []",
    "def get_config(x):\n    return {}",
    "\u00ff\ufffe", "raise ValueError('a\\nb')",
)  # fmt: skip
_TEXTS = ("-1", "0", "2.5", "nan", "1e400", "None", "()", "[", "yes", "10**9", "9" * 50, "{}", "")


def make(rng: random.Random) -> tuple[str, list[str]]:
    """Returns the text of a configuration file, and overrides."""
    if rng.random() < 0.1:
        return rng.choice(_CODE), []
    values = GOOD
    for _ in range(rng.randint(1, 2)):
        values = _changed(rng, values)
    text = f"nan, inf = float('nan'), float('inf')\ndef get_config():\n    return {values!r}\n"
    count = rng.choice((0, 0, 1, 2))
    flags = [f"--config.{rng.choice(_FIELDS)}={rng.choice(_TEXTS)}" for _ in range(count)]
    return text, flags


def _changed(rng: random.Random, values: dict[str, Any]) -> dict[str, Any]:
    if rng.random() < 0.4:
        return _set(values, rng.choice(_FIELDS).split("."), rng.choice(mutate.VALUES))
    section = rng.choice(sorted(values))
    if isinstance(values[section], dict) and values[section] and rng.random() < 0.85:
        name = rng.choice(sorted(values[section]))
        inner = values[section][name]
        if isinstance(inner, dict) and inner:
            name, value = rng.choice(sorted(inner)), rng.choice(mutate.VALUES)
            return _set(values, [section, next(iter(values[section])), name], value)
        return _set(values, [section, name], rng.choice(mutate.VALUES))
    return {**values, section: rng.choice(mutate.VALUES)}


def _set(values: dict[str, Any], place: list[str], value: Any) -> dict[str, Any]:
    name, *rest = place
    inner = values.get(name, {})
    if rest and isinstance(inner, dict):
        value = _set(inner, rest, value)
    return {**values, name: value}
