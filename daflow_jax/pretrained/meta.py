"""config.json of a model folder: its fields with types and ranges, and the hashes that it carries.

"sha256" covers the weights, "config_sha256" everything else in the file. Folders of older versions
lack the second; a folder that lacks one is read, and what cannot be noticed is logged.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from daflow_jax import errors, models
from daflow_jax.io import json_file, json_types
from daflow_jax.io.storage import Place
from daflow_jax.pretrained.names import CONFIG, WEIGHTS

FORMAT = 1
NEEDS = f"a model folder needs {CONFIG} and {WEIGHTS}"
MOST_SHARDS = 10_000
_MOST = 10_000  # [choice] of an option's value: refinement steps and the like
_REMEDY = "Copy the folder again"
_LOG = logging.getLogger(__name__)


def read(path: Place) -> dict[str, Any]:
    """Returns config.json of a model folder; a wrong field is a `UserError` that names it."""
    file = path / CONFIG
    if not file.is_file():
        inner = sorted(p.parent for p in path.glob(f"*/{CONFIG}"))
        hint = f"Did you mean {inner[0]}? It has one" if inner else "Check the path"
        raise errors.UserError(file, f"not found; {NEEDS}", hint)
    fields = json_file.read_object(file, _REMEDY)
    if "arch" not in fields or "format" not in fields:
        raise errors.UserError(file, "is not of a daflow model", f"Remember that {NEEDS}")
    if fields.whole("format") != FORMAT:
        rule = f"format {fields.values['format']}; this version reads {FORMAT}"
        raise errors.UserError(file, rule, "Update daflow-jax")
    _check_name(file, fields.text("name", ""))
    for name in ("arch", "input", "defaults", "training"):
        fields.object(name, {})
    fields.whole("parameters", most=10**15, default=0)
    fields.whole("shards", 1, most=MOST_SHARDS, default=1)
    for name in ("sha256", "config_sha256"):
        fields.text(name, "")
    return fields.values


def _check_name(file: Place, name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not (name.isprintable() and len(name) <= 200):
        rule = f"its name is {json_file.shown(name)}, which is not a name"
        raise errors.UserError(file, rule, "Give the model a plain name")


def config(file: Path, meta: Mapping[str, Any]) -> Any:
    """Returns the configuration that `meta` describes, its fields and defaults checked."""
    fields = json_file.Fields(file, meta["arch"], "Update daflow-jax", "arch.")
    family = fields.text("family")
    if family in models.ENTRIES:
        json_types.check(models.ENTRIES[family].config, fields)
    try:
        found = models.from_dict(meta["arch"])
    except errors.UserError as error:
        rule, remedy = f"{error.where}: {error.rule}", error.remedy or "Update daflow-jax"
        raise errors.UserError(file, rule, remedy) from None
    _check_defaults(file, meta.get("defaults", {}), found)
    return found


def _check_defaults(file: Path, values: dict[str, Any], found: Any) -> None:
    """Checks the settings of a call that the weights came with; null leaves one to the network."""
    given = {name: value for name, value in values.items() if value is not None}
    fields = json_file.Fields(file, given, _REMEDY, "defaults.")
    fields.numbers("scales", 1 / 64, 1, default=[])
    for option in models.entry_of(found).call_options:
        if option.files:
            continue
        if option.type is int:
            fields.whole(option.name, int(option.least), most=_MOST, default=0)
        else:
            fields.number(option.name, option.least, most=_MOST, default=0)


def digest(meta: Mapping[str, Any]) -> str:
    """Returns the sha256 of all fields but "config_sha256", however the file was laid out."""
    covered = {name: value for name, value in meta.items() if name != "config_sha256"}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_digest(file: Path, meta: Mapping[str, Any]) -> None:
    """Raises UserError for fields that are not those that were saved."""
    if "config_sha256" in meta and digest(meta) != meta["config_sha256"]:
        rule = "is not what was saved (config_sha256 differs)"
        remedy = "Copy the folder again; if you edited it, remove the line config_sha256"
        raise errors.UserError(file, rule, remedy)


def say_uncovered(file: Path, meta: Mapping[str, Any]) -> None:
    """Logs what no hash covers."""
    missing = {"sha256": "the weights", "config_sha256": "the configuration"}
    missing = {name: part for name, part in missing.items() if name not in meta}
    if missing:
        names, parts = " and no ".join(missing), " and ".join(missing.values())
        _LOG.warning("%s has no %s: damage to %s goes unnoticed", file, names, parts)
