"""Where models lie: folders found by name or by path."""

import os
from pathlib import Path

from daflow_jax import errors, models
from daflow_jax.io import storage

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
ASSETS = Path(__file__).parents[1] / "assets"


def cache_root() -> Path:
    """Returns the folder for compiled programs and models: DAFLOW_CACHE or the user's cache."""
    if os.environ.get("DAFLOW_CACHE"):
        return Path(os.environ["DAFLOW_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "daflow"


def roots() -> list[Path]:
    """Returns the folders that hold models by name, the first match wins: shipped, own, cache."""
    own = [Path(p) for p in os.environ.get("DAFLOW_MODELS", "").split(os.pathsep) if p]
    shipped = [] if os.environ.get("DAFLOW_NO_SHIPPED_MODELS") == "1" else [ASSETS]
    return [*shipped, *own, cache_root() / "models"]


def available() -> list[str]:
    """Returns the names of the models that `resolve` finds without a path."""
    found = (path.parent.name for root in roots() for path in root.glob(f"*/{CONFIG}"))
    return sorted(set(found))


def resolve(name: str | storage.Place) -> Path:
    """Returns the folder of a model given by path (folder or its .safetensors file) or by name.

    A folder in a bucket is fetched into the cache, once for each content.
    """
    if storage.is_url(name):
        from daflow_jax.pretrained import bucket

        return bucket.fetch(storage.place(name), cache_root() / "fetched")
    path = Path(name)
    if path.suffix == ".safetensors" and path.is_file():
        return path.parent
    if path.is_dir() and ((path / CONFIG).is_file() or not _named(path)):
        return path
    for root in roots():
        if (root / path / CONFIG).is_file():
            return root / path
    if str(name) in models.PRESETS:
        raise errors.UserError(
            name,
            "has no weights on this machine",
            "Train it or convert published ones: daflow convert weights FILE DIR; "
            f"models here: {', '.join(available()) or 'none'}",
        )
    known = {*available(), *models.PRESETS}
    raise errors.UserError(
        name, "is neither a model folder nor a known model", errors.nearest(str(name), known)
    )


def _named(path: Path) -> bool:
    """Returns True if a plain folder of this name must not hide a model of the same name."""
    return path.parent == Path(".") and any((root / path / CONFIG).is_file() for root in roots())
