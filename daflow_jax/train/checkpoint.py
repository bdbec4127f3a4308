"""Checkpoints that are verified when they are read: Orbax writes them, a checksum per leaf guards
them.

Layout of WORKDIR/checkpoints/000012000/: `state` holds the arrays of a TrainState under flat names
("params/fnet/conv1/kernel"), `meta` a JSON object with shape, dtype and checksum of each, the data
position, the configuration, the versions, and a checksum of all of that. All processes of a run
write and read together.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from flax import traverse_util

from daflow_jax import errors
from daflow_jax.io import storage
from daflow_jax.io.storage import Place
from daflow_jax.sharding import processes
from daflow_jax.train import checksum, patience
from daflow_jax.train import state as states

FORMAT = 3  # 2 had no checksum of its meta, and is read all the same

SEAL = "meta_sha256"
UNSEALED = "nothing guards the names in its meta"


class Damaged(Exception):
    """A checkpoint cannot be read, or what was read is not what was written."""


class Checkpoints:
    """The checkpoints of one workdir, newest last; writing goes on in the background."""

    def __init__(self, workdir: str | Place, keep: int = 3, log: Callable[[str], None] = print):
        self._directory, self._log = storage.absolute(workdir) / "checkpoints", log
        logging.getLogger("absl").addFilter(_not_of_orbax)
        if storage.is_url(self._directory):
            patience.limit()
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, step_format_fixed_length=9)
        self._manager = ocp.CheckpointManager(self._directory, options=options)

    def save(self, step: int, state: states.TrainState, meta: dict[str, Any]) -> None:
        """Starts to write `state` and returns once its arrays may change; call `close` before
        exit.
        """
        leaves = _flat(state)
        table = describe(leaves)
        meta = {"format": FORMAT, "step": step, "leaves": table, "versions": versions(), **meta}
        meta = sealed(meta)
        args = ocp.args.Composite(state=ocp.args.PyTreeSave(leaves), meta=ocp.args.JsonSave(meta))
        with self._writing():
            self._manager.save(step, args=args, force=True)

    def restore(self, like: states.TrainState) -> tuple[states.TrainState, dict[str, Any]] | None:
        """Returns the newest sound (state, meta), placed like `like`; None where there is none.

        `like` holds arrays or ShapeDtypeStructs with shardings. A damaged checkpoint is moved to
        WORKDIR/damaged, which is logged, and the one before it is taken. Raises UserError where
        names, shapes or dtypes differ from `like`: nothing is cast.
        """
        for half in self._directory.glob("*orbax-checkpoint-tmp*"):
            self._log(f"ignored half-written checkpoint {half.name}")
        steps = processes.gather(sorted(self._manager.all_steps(), reverse=True))[0]
        with _reader(self._directory) as reader:
            for step in steps:
                try:
                    state, meta = _read(reader, self._directory, step, like)
                    if SEAL not in meta:
                        self._log(f"checkpoint {step:09d} is of an older version: {UNSEALED}")
                    return state, meta
                except Damaged as error:
                    self._set_aside(step, str(error))
        if steps:
            raise errors.UserError(
                self._directory, "every checkpoint is damaged", "Take a new workdir"
            )
        return None

    def _set_aside(self, step: int, reason: str) -> None:
        self._log(
            f"checkpoint {step:09d} is damaged ({reason}); moved to damaged/, trying the one before"
        )
        target = self._directory.parent / "damaged" / f"{step:09d}"

        def move():
            storage.remove_tree(target)
            storage.make_folder(target.parent)
            storage.move(self._directory / f"{step:09d}", target)

        processes.on_main(move)
        self._manager.reload()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turns what the writer raises, now or about the write before, into one line."""
        try:
            yield
        except Exception as error:
            if (told := storage.explain(error, self._directory)) is not None:
                raise told from error
            if not errors.is_full(error):
                raise
            # the run ends here: asyncio would tell of every other array whose write has failed
            logging.getLogger("asyncio").setLevel(logging.CRITICAL)
            rule = "no room for a checkpoint; those before it are whole"
            remedy = "Make room, then run the same command again"
            raise errors.UserError(self._directory, rule, remedy, 3) from error

    def check(self) -> None:
        """Raises the error of a write that has failed meanwhile; does not wait."""
        with self._writing():
            self._manager.check_for_errors()

    def wait(self) -> None:
        """Waits for the last write and raises its error, if it had one."""
        with self._writing():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits, then frees the writer's threads."""
        self.wait()
        with self._writing():
            self._manager.close()


def load_variables(workdir: str | Place) -> dict[str, Any]:
    """Returns {"params": ..., collection: ...} (NumPy) of a workdir's newest checkpoint, EMA
    preferred.
    """
    directory = storage.absolute(workdir) / "checkpoints"
    with _reader(directory) as manager:
        step = manager.latest_step()
        if step is None:
            raise errors.UserError(
                workdir, "holds no checkpoint", "Name a workdir of train.py or a model folder"
            )
        try:
            table = _read_meta(manager, step)["leaves"]
            trained = "ema" if any(name.startswith("ema/") for name in table) else "params"
            wanted = [name for name in table if name.split("/")[0] in (trained, "frozen", "aux")]
            like = {name: np.zeros((), np.int8) for name in wanted}
            args = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), like)
            flat = _restore_arrays(manager, step, like, args, partial=True)
            verify(flat, {name: table[name] for name in wanted})
        except Damaged as error:
            raise errors.UserError(directory / f"{step:09d}", f"is damaged: {error}") from error
    out = {}
    for name, leaf in flat.items():
        head, _, rest = name.partition("/")
        out[rest if head == "aux" else f"params/{rest}"] = leaf
    return traverse_util.unflatten_dict(out, sep="/")


def describe(leaves: dict[str, jax.Array | np.ndarray]) -> dict[str, dict[str, Any]]:
    """Returns shape, dtype and checksum of every leaf; all processes must call it."""
    sums = checksum.of(list(leaves.values()))
    return {
        name: {"shape": list(leaf.shape), "dtype": str(leaf.dtype), "sum": total}
        for (name, leaf), total in zip(leaves.items(), sums, strict=True)
    }


def verify(leaves: dict[str, Any], table: dict[str, dict]) -> None:
    """Raises Damaged naming the leaves whose contents are not what the table says."""
    bad = [name for name, found in describe(leaves).items() if found != table[name]]
    if bad:
        raise Damaged(f"{len(bad)} of {len(leaves)} arrays fail their checksum, first {bad[0]}")


def sealed(meta: dict[str, Any]) -> dict[str, Any]:
    """Returns the meta as JSON keeps it, with the sha256 of all its other fields."""
    plain = json.loads(json.dumps({name: meta[name] for name in meta if name != SEAL}))
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return {**plain, SEAL: hashlib.sha256(text.encode()).hexdigest()}


def versions() -> dict[str, str]:
    """Returns the versions of what wrote a checkpoint."""
    names = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
    return {name: importlib.metadata.version(name) for name in names}


def _together(read: Callable[[], Any]) -> Any:
    """Returns what `read` returns; raises Damaged everywhere where it does so in one process."""
    value, fault = None, ""
    try:
        value = read()
    except Damaged as error:
        fault = str(error)
    faults = [text for text in processes.gather(fault) if text]
    if faults:
        raise Damaged(faults[0])
    return value


def _read(manager, directory, step, like):
    meta = _together(lambda: _read_meta(manager, step))
    template = _flat(like)
    _check_names(directory / f"{step:09d}", template, meta["leaves"])
    args = {name: _array_args(leaf) for name, leaf in template.items()}
    leaves = _together(lambda: _restore_arrays(manager, step, template, args))
    verify(leaves, meta["leaves"])
    return _unflat(leaves, like), meta


def _array_args(leaf):
    return ocp.ArrayRestoreArgs(sharding=leaf.sharding, global_shape=leaf.shape, dtype=leaf.dtype)


def _read_meta(manager, step):
    try:
        meta = manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore())).meta
        meta["leaves"].items()
        found = meta["format"]
    except Exception as error:  # noqa: BLE001 - whatever the reader meets, the step cannot be used
        raise _fault(error) from error
    if SEAL in meta or found == FORMAT:
        if meta != sealed(meta):
            raise Damaged("its meta fails its checksum")
    if found not in (2, FORMAT):
        rule = f"has format {found}; this version reads 2 and {FORMAT}"
        raise errors.UserError(f"checkpoint {step:09d}", rule, "Start from its export/last folder")
    return meta


def _restore_arrays(manager, step, like, args, partial=False):
    request = ocp.args.PyTreeRestore(item=like, restore_args=args, partial_restore=partial)
    try:
        return manager.restore(step, args=ocp.args.Composite(state=request)).state
    except Exception as error:  # noqa: BLE001
        raise _fault(error) from error


def _check_names(where, template, table):
    missing, extra = sorted(set(template) - set(table)), sorted(set(table) - set(template))
    if missing or extra:
        rule = f"lacks {missing[:5]} and has {extra[:5]} beyond this configuration"
        raise errors.UserError(
            where, rule, "Take a new workdir, or checkpoint.init_from for weights only"
        )
    for name, leaf in template.items():
        got, want = (
            (table[name]["shape"], table[name]["dtype"]),
            (list(leaf.shape), str(leaf.dtype)),
        )
        if got != want:
            rule = f"{name} is {got[1]}{got[0]}, this configuration has {want[1]}{want[0]}"
            raise errors.UserError(where, rule, "Nothing is cast; take a new workdir")


def _flat(state) -> dict[str, Any]:
    """Returns {path: array} with random keys as their bits (no array library stores typed keys)."""
    leaves = dict(zip(states.leaf_paths(state), jax.tree.leaves(state), strict=True))
    return {name: _bits(leaf) if _is_key(leaf) else leaf for name, leaf in leaves.items()}


def _unflat(leaves, like):
    out = []
    for name, leaf in zip(states.leaf_paths(like), jax.tree.leaves(like), strict=True):
        out.append(jax.random.wrap_key_data(leaves[name]) if _is_key(leaf) else leaves[name])
    return jax.tree.unflatten(jax.tree.structure(like), out)


def _is_key(leaf) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _bits(key):
    if isinstance(key, jax.Array):
        return jax.random.key_data(key)
    bits = jax.eval_shape(jax.random.key_data, key)
    return jax.ShapeDtypeStruct(bits.shape, bits.dtype, sharding=key.sharding)


def _not_of_orbax(record: logging.LogRecord) -> bool:
    """Returns whether to print a log entry: what Orbax reports, it raises too."""
    return "/orbax/" not in record.pathname


def _reader(directory: Place) -> ocp.CheckpointManager:
    """Returns a manager that waits for no other process: what one cannot read, another may."""
    own = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(own, {own}, f"reader{own}")
    options = ocp.CheckpointManagerOptions(
        create=False, step_format_fixed_length=9, multiprocessing_options=alone
    )
    return ocp.CheckpointManager(directory, options=options)


def _fault(error: Exception) -> Exception:
    """Returns what to raise: a store that is out of reach says nothing about a checkpoint."""
    return storage.explain(error, "checkpoints") or Damaged(_brief(error))


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160] if lines else ''}"
