"""The TFDS builder of every layout: clips in, array_record files of short records out."""

import dataclasses
import functools
import hashlib
import json
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from daflow_jax import datasets
from daflow_jax.datasets import record
from daflow_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is built and how.

    Attributes:
        layout: name in `datasets.LAYOUTS`, or "NAME:SPLIT" for one split.
        source: the unpacked data set.
        notes: folder where workers note the clips that they skip.
        skip_bad: skip and note broken clips; else the first one ends the build.
        limit: first clips of each split only; None = all.
    """

    layout: str
    source: str
    notes: str
    cutting: record.Cutting = record.Cutting()
    skip_bad: bool = False
    limit: int | None = None

    def clips(self) -> dict[str, list[datasets.Clip]]:
        """Returns the clips by split."""
        splits: dict[str, list[datasets.Clip]] = {}
        for clip in datasets.list_clips(self.source, self.layout):
            splits.setdefault(clip.split, []).append(clip)
        return {split: clips[: self.limit] for split, clips in splits.items()}


def features() -> tfds.features.FeaturesDict:
    """Returns the fields of a record: see `datasets.record` for the bytes in the lists."""
    lists = {key: tfds.features.Tensor(shape=(None,), dtype=np.object_) for key in record.LISTS}
    return tfds.features.FeaturesDict(
        {
            "name": tfds.features.Text(),
            "dataset": tfds.features.Text(),
            "start": np.int64,
            "size": tfds.features.Tensor(shape=(2,), dtype=np.int64),
            **lists,
        }
    )


def examples(settings: Settings, clip: datasets.Clip) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (key, record) of one clip; a broken one raises, or is noted and skipped."""
    bad = functools.partial(_bad, settings)
    for _, stored in record.skipping([clip], settings.cutting, bad):
        yield f"{clip.split}/{clip.name}/{stored['start']:08d}", _ragged(stored)


def _ragged(stored: dict[str, Any]) -> dict[str, Any]:
    """Returns the record with its lists as arrays of objects, as TFDS wants them."""
    arrays = {}
    for key in record.LISTS:
        arrays[key] = np.empty(len(stored[key]), object)
        arrays[key][:] = stored[key]
    return stored | arrays


def _bad(settings: Settings, clip: datasets.Clip, error: UserError) -> None:
    """Notes a broken clip, wherever this worker runs; ends the build unless it shall be skipped."""
    name = hashlib.sha256(f"{clip.split}/{clip.name}".encode()).hexdigest()[:24]
    note = {"clip": clip.name, "split": clip.split, "error": str(error)}
    folder = epath.Path(settings.notes)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(note))
    if not settings.skip_bad:
        raise error


class ClipSet(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Writes the clips of one layout; made by `make`, which names the class."""

    VERSION = tfds.core.Version("1.0.0")  # of the record format: raise it when a field changes
    RELEASE_NOTES = {"1.0.0": "Records of short pieces of clips."}

    def __init__(self, *, settings: Settings, use_beam: bool = False, **kwargs):
        self._settings, self._use_beam = settings, use_beam
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        layout = datasets.get(self._settings.layout.partition(":")[0])
        cutting = dataclasses.asdict(self._settings.cutting)
        text = (
            f"{layout.title}. Get: {layout.download}. Size: {layout.size}. "
            f"Licence: {layout.licence}. Layout: {layout.tree}."
        )
        facts = {"layout": self._settings.layout, "cutting": cutting, "limit": self._settings.limit}
        return tfds.core.DatasetInfo(
            builder=self,
            description=text,
            features=features(),
            metadata=tfds.core.MetadataDict(facts),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        del dl_manager
        clips = self._settings.clips()
        return {split: self._generate_examples(found) for split, found in clips.items()}

    def _generate_examples(self, clips: list[datasets.Clip]) -> Any:
        if self._use_beam:
            import apache_beam as beam

            work = functools.partial(examples, self._settings)
            return beam.Create(clips) | beam.Reshuffle() | beam.FlatMap(work)
        return (item for clip in clips for item in examples(self._settings, clip))


def make(settings: Settings, out: str, use_beam: bool = False) -> ClipSet:
    """Returns the builder whose files will lie in OUT/NAME/VERSION."""
    layout = datasets.get(settings.layout.partition(":")[0])
    kind = types.new_class(
        layout.name,
        (ClipSet,),
        {"skip_registration": True},
        lambda body: body.update(name=layout.name, __module__=__name__),
    )
    return kind(settings=settings, use_beam=use_beam, data_dir=out, file_format="array_record")
