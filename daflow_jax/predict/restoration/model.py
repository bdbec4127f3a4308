"""Restorers, called on clips of any size and length: pad, window, restore, fix colours, cut."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from daflow_jax import errors, models
from daflow_jax.ops import pad
from daflow_jax.predict import frames as inputs
from daflow_jax.predict import memory
from daflow_jax.predict.model import Model
from daflow_jax.predict.restoration import guidance, tiles, windows
from daflow_jax.predict.restoration.network import COLOR_FIXES
from daflow_jax.predict.restoration.runner import Form, Runner

__all__ = ["COLOR_FIXES", "RestorationModel"]
Done = Callable[[], Callable[[], np.ndarray] | None]


class RestorationModel(Model):
    """A restorer with its weights; call it on frames.

    It holds one window of frames, whatever the length of the clip. Every window starts from the
    same noise, if there is any, so a run is a function of frames and seed. The last window of a
    clip reaches back over frames that are done, so that it is as long as the others. The state of a
    recurrent network goes from window to window, and every window looks at frames after it.

    Attributes:
        seconds: in which callers waited for the network so far, without compiling.
    """

    seconds = 0.0

    def __call__(
        self,
        frames: Any,
        *,
        window: int | str | None = None,
        ahead: int | None = None,
        color_fix: str = "none",
        tile: str | tiles.Size = "auto",
        **options: Any,
    ) -> np.ndarray:
        """Returns float32 (t, s h, s w, 3) in [0, 1], s = `config.scale`.

        Args:
            frames: (t, h, w, 3), uint8, uint16 or float in [0, 1]; any size.
            window: frames that are restored together, or "all"; None is the model's own length.
            ahead: of recurrent networks, frames after a window that it looks at (the model's own).
            color_fix: "none", or give the result the colours of its input by "adain" or "wavelet".
            tile: (height, width) that the network sees at once, "off", or "auto": smaller ones
                where memory is short, of networks that say how far they look.
            options: of the network, such as `steps`.
        """
        clip = inputs.as_clip(frames)
        out = None
        asked = dict(window=window, ahead=ahead, color_fix=color_fix, tile=tile)
        for index, frame in enumerate(self.stream(clip, **asked, **options)):
            out = self._room(len(clip), frame) if out is None else out
            out[index] = frame
        assert out is not None
        return out

    def stream(
        self,
        frames: Iterable[np.ndarray],
        *,
        window: int | str | None = None,
        ahead: int | None = None,
        color_fix: str = "none",
        tile: str | tiles.Size = "auto",
        levels: bool = False,
        guide: guidance.Guide | None = None,
        done: Done | None = None,
        where: str = "frames",
        **options: Any,
    ) -> Iterator[np.ndarray]:
        """Returns an iterator over the restored frames (s h, s w, 3), float32 in [0, 1], or uint8.

        Args:
            levels: uint8, as pictures hold them.
            guide: what keeps neighbouring results alike, of networks that see single frames; the
                results are uint8 then.
            done: called after every frame is taken; returns what reads the result that an earlier
                run made of it, or None. Of networks that see single frames.
            where: names the frames in errors. The rest is as in a call.
        """
        if color_fix not in COLOR_FIXES:
            known = errors.nearest(color_fix, COLOR_FIXES)
            raise errors.UserError(f"color fix {color_fix}", "is unknown", known)
        chosen, length = self.options(**options), self._length(window)
        ahead = self._ahead(ahead)
        self._check_tile(tile, color_fix)
        if (guide or done) and (self._recurrent or length != 1):
            raise self._sees_neighbours("guide" if guide else "done")
        form = Form(color_fix, chosen, levels and guide is None, tile)

        def restored(source: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
            cut = self._windows(source, length, ahead, where)
            runner = Runner(self.programs, self._recurrent, form)
            for result in runner(self._checked(cut)):
                self.seconds, runner.seconds = self.seconds + runner.seconds, 0.0
                yield result

        if guide is None and done is None:
            return _some(restored(frames), where)
        made = resumed(frames, restored, done or _never)
        return _some(guidance.guided(made, guide) if guide else (m.result for m in made), where)

    @property
    def is_framewise(self) -> bool:
        """Whether the network sees single frames unless asked otherwise."""
        return not self._recurrent and self.config.frames == 1

    @property
    def _recurrent(self) -> bool:
        return self.entry.recurrence is not None

    def _windows(self, frames, length, ahead, where) -> Iterator[windows.Window]:
        if self._recurrent:
            return windows.onwards(frames, length, ahead, where)
        return windows.sliding(frames, length, self._context, where)

    def _length(self, window: int | str | None) -> int | None:
        """Returns how many frames are restored together, None for all."""
        if window == "all":
            return None
        if isinstance(window, str) or (window is not None and window < 1):
            raise errors.UserError(f"window {window}", "must be 1 or more", "Raise it")
        shared = 4 if self._context else 1  # windows that share frames waste less when longer
        return window or shared * self.config.frames

    def _ahead(self, ahead: int | None) -> int:
        if not self._recurrent:
            if ahead is not None:
                rule = f"is not read: {self.name} is not recurrent"
                raise errors.UserError("ahead", rule, "Leave it out")
            return 0
        if ahead is not None and ahead < 0:
            raise errors.UserError(f"ahead {ahead}", "must be 0 or more", "Raise it")
        own = models.loaded(self.entry.recurrence).ahead
        return own if ahead is None else ahead

    def _sees_neighbours(self, what: str) -> errors.UserError:
        rule = f"is for networks that see single frames; {self.name} sees neighbours itself"
        return errors.UserError(what, rule, "Leave it out")

    def _check_tile(self, tile: str | tiles.Size, color_fix: str) -> None:
        if not isinstance(tile, tuple):
            return
        if not hasattr(self.config, "reach"):
            rule = f"{self.name} looks at whole frames, and tiles would change its result"
            raise errors.UserError("--tile", rule, "Leave it out")
        if color_fix != "none":
            raise errors.UserError("--color-fix", "needs whole frames", "Leave out it or --tile")
        tiles.check(tile, self.config.reach)

    @property
    def _context(self) -> int:
        """Frames on each side that a restored frame reads, of networks that say it."""
        return getattr(self.config, "context", 0)

    def _checked(self, cut: Iterable[windows.Window]) -> Iterator[windows.Window]:
        for window in cut:
            height, width = window.frames.shape[1:3]
            padded = pad.padded((height, width), self.config.multiple, self.config.minimum)
            largest = self.config.maximum
            if largest is not None and max(padded) > largest:
                rule = f"{padded[1]}x{padded[0]}; this model ends at {largest}"
                raise errors.UserError("frames", rule, "Make them smaller")
            yield window

    def _room(self, count: int, frame: np.ndarray) -> np.ndarray:
        """Returns room for all restored frames, which must fit this machine's memory."""
        shape = (count, *frame.shape)
        need, free = 4 * int(np.prod(shape)), memory.host_available()
        if free is not None and need > free:
            size = f"{shape[2]}x{shape[1]}"
            rule = f"{count} of {size} take {memory.text(need)}, {memory.text(free)} is free"
            raise errors.UserError("restored frames", rule, "Use `stream`, which gives one by one")
        return np.empty(shape, np.float32)


def resumed(
    frames: Iterable[np.ndarray],
    restored: Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]],
    done: Done,
) -> Iterator[guidance.Made]:
    """Yields every frame with its result: read where an earlier run made it, else from `restored`
    of the frames between those."""

    def asked() -> Iterator[tuple[np.ndarray, Callable[[], np.ndarray] | None]]:
        for frame in frames:
            yield frame, done()

    for missing, stretch in itertools.groupby(asked(), key=lambda pair: pair[1] is None):
        if not missing:
            for frame, read in stretch:
                yield guidance.Made(frame, read() if read else frame, final=True)
            continue
        waiting: deque[np.ndarray] = deque()
        for result in restored(_noted((frame for frame, _ in stretch), waiting)):
            yield guidance.Made(waiting.popleft(), result)


def _noted(frames: Iterable[np.ndarray], waiting: deque[np.ndarray]) -> Iterator[np.ndarray]:
    for frame in frames:
        waiting.append(frame)
        yield frame


def _never() -> None:
    return None


def _some(results: Iterator[np.ndarray], where: str) -> Iterator[np.ndarray]:
    """Yields the results; a clip without any is refused."""
    first = next(results, None)
    if first is None:
        raise errors.UserError(where, "no frame", "Name one or more")
    yield first
    yield from results
