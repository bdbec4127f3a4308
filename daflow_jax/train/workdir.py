"""The folder of one run: held by one process, tied to one configuration, marked when done."""

import contextlib
import fcntl
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from daflow_jax import errors
from daflow_jax.io import json_file, storage
from daflow_jax.io.storage import Place, lease
from daflow_jax.sharding import processes

# Sections that may change between runs in one workdir; of "train" only the batch is bound.
FREE_SECTIONS = ("log", "eval", "checkpoint", "mesh")
BOUND_TRAIN_FIELDS = ("batch_size",)
FREE_FIELDS = ("data.num_workers",)  # the batches are the same with any number


@contextlib.contextmanager
def hold(workdir: Place, log: Callable[[str], None] = lambda text: None) -> Iterator[None]:
    """Keeps every other process out of `workdir` while it lasts: by a lock that dies with its
    holder, or in a bucket by a claim that its holder renews (`io.storage.lease`).

    `log` is told where a claim that may be a dead process's has to be waited for.
    """
    if not isinstance(workdir, Path):
        with lease.hold(workdir / "lock", log):
            yield
        return
    path = workdir / "lock"
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            rule = f"in use by {holder}"
            raise errors.UserError(
                workdir, rule, "Wait for it, stop it, or take a new workdir"
            ) from error
        file.truncate(0)
        file.write(f"{socket.gethostname()} pid {os.getpid()}\n")
        file.flush()
        yield


def check_shared(workdir: Place, patience: float = 10.0) -> None:
    """Raises UserError unless every process sees the folder that process 0 holds."""
    want = processes.gather(_holder(workdir))[0]
    deadline = time.monotonic() + patience
    while (sees := _holder(workdir) == want) is False and time.monotonic() < deadline:
        time.sleep(0.2)  # network disks show news late
    blind = [i for i, seen in enumerate(processes.gather(sees)) if not seen]
    if blind:
        rule = f"process {blind[0]} does not see the folder of process 0"
        raise errors.UserError(workdir, rule, "Name one on a disk that all machines share")


def _holder(workdir: Place) -> str:
    path = workdir / "lock"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def bind(
    workdir: Place,
    config: Mapping[str, Any],
    filled: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> None:
    """Ties `workdir` to `config` (config.json), or raises UserError listing the fields that
    changed.

    Args:
        filled: older config.json -> the same with the defaults of fields that it lacks, which are
            younger than it.
    """
    path = workdir / "config.json"
    if path.exists():
        remedy = "Take a new workdir, or copy the file again"
        old = json_file.read_object(path, remedy).values
        changed = differences(_plain(filled(old)), _plain(config))
        if changed:
            rule = "the run was started with another configuration: " + "; ".join(changed)
            flag = f"--config.checkpoint.init_from={workdir}"
            remedy = f"Take a new workdir; to start from its weights: {flag}"
            raise errors.UserError(workdir, rule, remedy)
    storage.write_text(path, json.dumps(_plain(config), indent=2) + "\n")


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Returns "field: old -> new" for every field whose change would change the run's meaning."""
    before, after = _bound(old), _bound(new)
    names = sorted(set(before) | set(after))
    absent = "absent"
    return [
        f"{name}: {before.get(name, absent)} -> {after.get(name, absent)}"
        for name in names
        if before.get(name, absent) != after.get(name, absent)
    ]


def _bound(config: Mapping[str, Any]) -> dict[str, Any]:
    flat = dict(_flatten(config))
    return {
        name: value
        for name, value in flat.items()
        if name.split(".")[0] not in (*FREE_SECTIONS, "train")
        and name not in FREE_FIELDS
        or name in [f"train.{field}" for field in BOUND_TRAIN_FIELDS]
    }


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(config))


def done_step(workdir: Place) -> int | None:
    """Returns the last step of a finished run, None while it is not finished."""
    path = workdir / "done"
    if not path.exists():
        return None
    text = path.read_bytes().decode(errors="replace").strip()
    if not re.fullmatch(r"[0-9]{1,12}", text):
        rule = f"holds {text[:20]!r}, not the number of a step"
        raise errors.UserError(path, rule, "Delete it, then run the same command again")
    return int(text)


def mark_done(workdir: Place, step: int) -> None:
    """Marks the run as finished at `step`."""
    (workdir / "done").write_text(f"{step}\n")
