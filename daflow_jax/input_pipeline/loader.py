"""Batches from clips: Grain's workers, one stream for any number of processes, exact resume."""

import itertools
import multiprocessing
import os
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.input_pipeline import settings, sources, transforms
from daflow_jax.io import storage

_BUFFER = 2  # finished batches that a worker holds ready
_FAR = 8  # [choice] batches on their way at once where clips come from a bucket: requests wait


class Loader:
    """An endless iterator of this process's batches whose state is a place in the global stream.

    The state counts clips of all processes, so it may be restored with another number of workers
    or processes, as long as the global batch stays the same.
    """

    def __init__(
        self, config: settings.DataConfig, batch_size: int, process_index: int, process_count: int
    ):
        self.config, self.batch_size = config, batch_size
        self.process_index, self.process_count = process_index, process_count
        self._clips, self._batches = 0, None
        self._stream = {"seed": config.seed, "global_batch": batch_size * process_count}
        self.source = sources.open_source(config)
        describe = getattr(self.source, "describe", tuple)
        self._sources = tuple(describe())

    def __iter__(self) -> "Loader":
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        if self._batches is None:
            self._batches = _batches(self, self._clips)
        batch = {key: np.array(value) for key, value in next(self._batches).items()}
        self._clips += self.batch_size * self.process_count
        return batch

    def close(self) -> None:
        """Stops the workers; the next batch starts them again."""
        self._batches = None

    def get_state(self) -> dict[str, Any]:
        """Returns {"clips", "seed", "global_batch"}, with "sources" where the source describes
        itself; clips counts those of all processes.
        """
        state: dict[str, Any] = {"clips": self._clips, **self._stream}
        return state | ({"sources": list(self._sources)} if self._sources else {})

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes to the place of a state; UserError if it is of another stream."""
        for key, own in self._stream.items():
            if state.get(key) != own:
                rule = f"was saved with {key} {state.get(key)}, now it is {own}"
                remedy = "Restore with the same seed and global batch size"
                raise UserError("data state", rule, remedy)
        saved = tuple(state.get("sources", ()))
        for before, now in itertools.zip_longest(saved, self._sources, fillvalue="no source"):
            if before != now:
                rule = f"was saved with {before}, now it is {now}: clips would come twice or never"
                remedy = "Restore the data as they were, or start a new run from the weights"
                raise UserError("data state", rule, remedy)
        self._clips, self._batches = int(state["clips"]), None


def make_loader(
    config: settings.DataConfig, batch_size: int, process_index: int = 0, process_count: int = 1
) -> Loader:
    """Returns a `Loader` of dicts of numpy arrays with `config.keys`, `batch_size` per process.

    Stacked, the batches of the processes are those of one with `batch_size * process_count`.
    """
    if batch_size < 1 or not 0 <= process_index < process_count:
        raise UserError(
            "batch_size",
            f"{batch_size} in process {process_index} of {process_count}",
            "Sizes are at least 1, processes count from 0",
        )
    return Loader(config, batch_size, process_index, process_count)


class _Rows:
    """The clips of one process, its block of every batch, from clip `start` of the stream on."""

    def __init__(self, loader: Loader, start: int):
        self._source, self._start = loader.source, start
        self._size, self._index = loader.batch_size, loader.process_index
        self._count = loader.process_count

    def __len__(self) -> int:
        return (len(self._source) - self._start) // (self._size * self._count) * self._size

    def __getitem__(self, index: int) -> Any:
        batch, row = divmod(index, self._size)
        rows = (batch * self._count + self._index) * self._size + row
        return self._source[self._start + rows]


def _batches(loader: Loader, start: int) -> Iterator[dict[str, np.ndarray]]:
    """Returns Grain's iterator over the batches from clip `start` of the global stream on."""
    import grain

    config = loader.config
    dataset = grain.MapDataset.source(_Rows(loader, start))
    for transform in transforms.chain(config):
        dataset = dataset.map(transform)
    dataset = dataset.batch(loader.batch_size, drop_remainder=True)
    far = any(storage.is_url(source.path) for source in config.sources)
    if not config.num_workers:
        count, buffer = (_FAR, _FAR) if far else (1, _BUFFER)
        threads = grain.ReadOptions(num_threads=count, prefetch_buffer_size=buffer)
        return iter(dataset.to_iter_dataset(threads))
    _mark_flags_parsed()
    count = max(1, _FAR // config.num_workers) if far else 1
    lazy = dataset.to_iter_dataset(grain.ReadOptions(num_threads=count, prefetch_buffer_size=count))
    options = grain.MultiprocessingOptions(config.num_workers, per_worker_buffer_size=_BUFFER)
    return iter(lazy.mp_prefetch(options, worker_init_fn=_end_with_parent))


def _end_with_parent(index: int, count: int) -> None:
    """Ends this worker when the process that started it is gone, however that was killed."""
    del index, count
    parent = multiprocessing.parent_process()

    def watch():
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _mark_flags_parsed() -> None:
    """Grain's worker processes read absl flags, which raise unless absl.app.run has parsed them."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
