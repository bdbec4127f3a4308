"""Weights that a run starts from, and the model folders that it leaves."""

from collections.abc import Mapping
from typing import Any

from daflow_jax import errors, models, pretrained, tasks
from daflow_jax.experiment.networks import MODULE
from daflow_jax.io import storage
from daflow_jax.train import checkpoint
from daflow_jax.train import export as exports


def find(path: str) -> None:
    """Raises UserError for weights that are not there; reads none of a workdir."""
    if not _is_workdir(path):
        pretrained.resolve(path)


def _is_workdir(path: str) -> bool:
    return (storage.place(path) / "checkpoints").is_dir()


def load_variables(path: str, networks: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the variables of a workdir's newest checkpoint, or of a model folder or name, laid
    out as the run's first network holds them.
    """
    if _is_workdir(path):
        variables = checkpoint.load_variables(path)
    else:
        variables = pretrained.load(pretrained.resolve(path)).variables
    model = networks.get(MODULE)
    if model is None:
        return variables
    check = models.entry_of(model).check_start
    if check is not None:
        models.loaded(check)(model, variables)
    return models.unpack(model, variables)


def saver(
    networks: Mapping[str, Any], names: Mapping[str, str], task: tasks.Task
) -> exports.Saver | None:
    """Returns the function that writes what `task.exported` gives, None for a task without
    networks.

    Args:
        networks: configurations by field of the task. names: what their folders are called.
    """
    if not networks:
        return None

    def save(
        folder: storage.Place, which: str, variables: dict[str, Any], record: dict[str, Any]
    ) -> None:
        field = which if which in networks else next(iter(networks))
        model = networks[field]
        plain, packed = models.stored(model), models.pack(model, variables)
        kept = {name: packed[name] for name in packed if name in _collections(plain)}
        _check_fits(plain, kept, which)
        options = [option.name for option in models.entry_of(model).call_options]
        defaults = {name: getattr(task, name, None) for name in (*options, "scales")}
        defaults = {name: value for name, value in defaults.items() if value}
        pretrained.save(folder, plain, kept, name=names[field], defaults=defaults, training=record)

    return save


def _collections(config: Any) -> set[str]:
    return {name.split("/")[0] for name in pretrained.shapes(config)}


def _check_fits(config: Any, variables: dict[str, Any], which: str) -> None:
    want = pretrained.shapes(config)
    got = {name: tuple(x.shape) for name, x in pretrained.flatten(variables).items()}
    wrong = sorted(name for name in want.keys() | got.keys() if want.get(name) != got.get(name))
    if wrong:
        rule = f"{len(wrong)} arrays are not those of its network, first {wrong[0]}"
        remedy = "Return {'params': ..., collection: ...} of one network under each name"
        raise errors.UserError(f"task.exported {which!r}", rule, remedy)
