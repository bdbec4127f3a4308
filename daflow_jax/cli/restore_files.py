"""Where `daflow restore` puts the frames of one sequence, and how they get there."""

import argparse
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import errors
from daflow_jax.cli import console, sources


class Target(NamedTuple):
    """place: a video, or a folder for pictures."""

    place: Path
    is_video: bool

    def expected(self, sequence: Any) -> Iterator[Path]:
        """Yields the files that a sequence is going to have; of a video as pictures the first."""
        if self.is_video:
            yield self.place
            return
        names = sequence.names if sequence.names is not None else ["000000"]
        yield from (self.place / f"{name}.png" for name in names)


def files(sequence: Any, args: argparse.Namespace) -> dict[str, Target]:
    """Returns what a sequence becomes: "video" and "png", and the same with "_compare"."""
    place, own = Path(args.out) / sequence.name, "video" if sequence.kind == "video" else "png"
    found = {}
    for name in (own if name == "auto" else name for name in args.formats):
        found[name] = _target(place, name)
        if args.compare:
            beside = place.parent / f"{place.name}_compare"
            found[f"{name}_compare"] = _target(beside, name)
    return found


def _target(place: Path, name: str) -> Target:
    if name == "png":
        return Target(place, False)
    return Target(place.parent / f"{place.name}.mp4", True)


class Work:
    """Restores one sequence when it is called.

    Args:
        settings: of the model's `stream`.
    """

    def __init__(self, sequence: Any, model: Any, settings: Any, args: Any, log: console.Console):
        self._sequence, self._model, self._settings = sequence, model, settings
        self._args, self._log = args, log
        self._damage: list[Any] = []

    def __call__(self) -> tuple[dict[str, Any], errors.UserError | None]:
        """Returns the entry of the sequence, and what ended it early, after writing its frames."""
        sequence = self._sequence
        sources.note_interlaced(sequence, self._args, self._log)
        begun, count, error = time.monotonic(), 0, None
        compiling, network = self._model.programs.compile_seconds, self._model.seconds
        progress = console.Progress(self._log, sequence.name, "frames", sequence.length)
        with contextlib.ExitStack() as stack:
            frames = stack.enter_context(contextlib.closing(self._frames()))
            stack.enter_context(progress)
            writers = {
                name: stack.enter_context(self._writer(target))
                for name, target in files(sequence, self._args).items()
            }
            try:
                for frame, result in self._restored(frames, writers):
                    _write(writers, frame, result)
                    progress.step()
                    count += 1
            except errors.UserError as caught:
                if caught.code == 3 or not count:
                    raise
                error = caught
            if not count:
                raise self._nothing()
        for note in (writer.note for writer in writers.values()):
            if note:
                self._log.note(note)
        written = [str(path) for writer in writers.values() for path in writer.written]
        seconds = round(time.monotonic() - begun, 3)
        entry = {
            "frames": count,
            "seconds": seconds,
            "compile_seconds": round(self._model.programs.compile_seconds - compiling, 3),
            "network_seconds": round(self._model.seconds - network, 3),
            "outputs": written,
        }
        if self._damage:
            entry["damage"] = [str(place) for place in self._damage]
        return entry, error or sources.damaged(self._damage)

    def _frames(self) -> Any:
        from daflow_jax.io import video

        timed = self._sequence.timed(self._args.deinterlace, self._damage.append)
        return video.prefetched(timed)

    def _writer(self, target: Target) -> Any:
        from daflow_jax import outputs

        sequence = self._sequence
        return outputs.FrameFiles(
            target.place,
            sequence.fps or 25,
            sequence.names,
            sources.existing(self._args),
            sources.sound(sequence),
        )

    def _restored(
        self, frames: Iterable[Any], writers: dict[str, Any]
    ) -> Iterator[tuple[Any, np.ndarray]]:
        """Yields frames with what became of them, uint8; no window reaches across missing ones."""
        from daflow_jax.io import video

        for stretch in video.runs(frames):
            waiting: deque[Any] = deque()
            results = self._model.stream(
                _pixels(stretch, waiting),
                levels=True,
                done=self._done(waiting, writers),
                where=self._sequence.name,
                **self._settings,
            )
            for result in results:
                yield waiting.popleft(), result

    def _done(self, waiting: deque[Any], writers: dict[str, Any]) -> Callable[..., Any] | None:
        """Returns what finds the result of the frame taken last in pictures of an earlier run, of
        models whose results do not depend on other frames but the guide's."""
        from daflow_jax.io import image

        pictures = writers.get("png")
        alone = self._model.is_framewise and self._args.window in (None, 1)
        if pictures is None or not self._args.skip_existing or not alone:
            return None

        def done() -> Callable[[], np.ndarray] | None:
            path = pictures.path(waiting[-1].stamp.number)
            return (lambda: image.read_image(path)) if pictures.keeps(path) else None

        return done

    def _nothing(self) -> errors.UserError:
        if self._damage:
            return self._damage[0].error()
        return errors.UserError(self._sequence.name, "no frame")


def _pixels(stretch: Iterable[Any], waiting: deque[Any]) -> Iterator[np.ndarray]:
    for frame in stretch:
        waiting.append(frame)
        yield frame.pixels


def _write(writers: dict[str, Any], frame: Any, result: np.ndarray) -> None:
    from daflow_jax.outputs import comparison

    both = None
    for name, writer in writers.items():
        if name.endswith("_compare") and both is None:
            both = comparison.side_by_side(frame.pixels, result)
        writer.write(both if name.endswith("_compare") else result, frame.stamp)
