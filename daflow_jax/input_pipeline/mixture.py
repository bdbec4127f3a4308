"""One endless stream drawn from several sources in fixed shares."""

import functools
import zlib
from collections.abc import Sequence

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.input_pipeline import clips, generated, settings

BLOCK = 1024  # [choice] clips in which every share is kept exactly; the finest share there is
_CHOICE = 0x313  # purpose of a random draw: the order of the sources


class Mixture:
    """Random access to a mixture: item i is clip i of the stream `config.seed`.

    Of every `BLOCK` clips each source gives its share, in an order of their own, and goes through
    its clips in turn: items are a function of (config, seed, number) alone.
    """

    def __init__(self, config: settings.DataConfig):
        self.config = config
        self.counts = shares(tuple(source.weight for source in config.sources))
        self._streams = [_open(config, source) for source in config.sources]

    def __len__(self) -> int:
        return settings.NUM_CLIPS

    def __getitem__(self, index: int) -> dict:
        """Returns the item of a source (`clips.ClipStream`) with its own number and "source"."""
        import cv2

        cv2.setNumThreads(0)  # one core a worker
        number = int(index)
        source, place = self.place(number)
        clip = self._streams[source][place]
        return {**clip, "index": np.int64(number), "source": np.int64(source)}

    def place(self, number: int) -> tuple[int, int]:
        """Returns which source clip `number` is from, and its number there."""
        block, rest = divmod(number, BLOCK)
        chosen, rank = _block(self.config.seed % 2**64, block, self.counts)
        source = int(chosen[rest])
        return source, block * self.counts[source] + int(rank[rest])

    def describe(self) -> list[str]:
        """Returns a line per source that changes when the stream would, whatever its path."""
        lines = []
        settings = zip(self.config.sources, self.counts, self._streams, strict=True)
        for source, count, stream in settings:
            what = _content(stream.clips) if isinstance(stream, clips.ClipStream) else "scenes"
            parts = (source.augment, source.min_scale, source.max_scale, source.flip)
            lines.append(f"{count}/{BLOCK} {source.kind} of {what}, augment {parts}")
        return lines


def shares(weights: tuple[float, ...]) -> tuple[int, ...]:
    """Returns how many of `BLOCK` clips come from each source; UserError if one gets none."""
    exact = np.array(weights) * BLOCK / sum(weights)
    counts = np.floor(exact).astype(int)
    largest = np.argsort(counts - exact, kind="stable")
    counts[largest[: BLOCK - counts.sum()]] += 1
    for place in np.flatnonzero(counts == 0):
        rule = f"{weights[place]} of {sum(weights)} is less than one clip in {BLOCK}"
        raise UserError(f"data.sources[{place}].weight", rule, "Raise it or leave the source out")
    return tuple(int(count) for count in counts)


@functools.lru_cache(maxsize=4)
def _block(seed: int, block: int, counts: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the source of every clip of a block, and how many of that source stand before it."""
    order = np.random.default_rng([seed, block, _CHOICE]).permutation(BLOCK)
    chosen = np.repeat(np.arange(len(counts)), counts)[order]
    rank = np.zeros(BLOCK, int)
    for source, count in enumerate(counts):
        rank[chosen == source] = np.arange(count)
    return chosen, rank


def _open(
    config: settings.DataConfig, source: settings.Source
) -> clips.ClipStream | generated.Synthetic:
    if source.kind == "synthetic":
        return generated.Synthetic(config)
    opened, frames = clips.open_set(source), config.scene.frames
    return clips.ClipStream(opened, frames, config.seed, backward=config.backward, gap=config.gap)


def _content(opened: Sequence) -> str:
    """Returns the size of a set, and a checksum of the names of its clips where they are known."""
    names = "\n".join(clip.name for clip in getattr(opened, "clips", ()))
    return f"{len(opened)} clips" + (f" {zlib.crc32(names.encode()):08x}" if names else "")
