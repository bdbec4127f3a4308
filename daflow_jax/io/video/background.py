"""Work in a thread beside the caller's, at most a few items apart."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
_END = object()


def prefetched(items: Iterable[T], depth: int = 4) -> Iterator[T]:
    """Yields the items, which a thread makes up to `depth` ahead.

    An exception of `items` is raised where its item would come. Closing the generator stops the
    thread, closes `items` there, and waits for both.
    """
    room, ready, stop = threading.Semaphore(depth), queue.SimpleQueue(), threading.Event()
    thread = threading.Thread(target=_fill, args=(items, room, ready, stop), daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is _END:
                return
            room.release()
            yield item
    finally:
        stop.set()
        room.release()
        thread.join()


def _fill(items: Iterable, room: Any, ready: queue.SimpleQueue, stop: threading.Event) -> None:
    iterator = iter(items)
    try:
        while True:
            room.acquire()
            if stop.is_set():
                return
            ready.put((next(iterator), None))
    except StopIteration:
        ready.put((_END, None))
    except BaseException as error:  # whatever it is, it belongs to the reader's thread
        ready.put((None, error))
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


class Worker:
    """Calls a function with each item in a thread, in order, at most `depth` items behind.

    The first exception of the function is raised by the next `put` or by `close`; later items are
    dropped.
    """

    def __init__(self, function: Callable[[Any], None], depth: int = 4):
        self._function = function
        self._items: queue.Queue = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def put(self, item: Any) -> None:
        """Hands over one item; waits while `depth` items are pending."""
        self._raise()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self._items.put(item)

    def close(self) -> None:
        """Waits until everything is done; raises the first exception."""
        self.stop()
        self._raise()

    def stop(self, drop: bool = False) -> None:
        """Ends the thread; `drop` leaves out what has not begun. Raises nothing."""
        if self._thread is None:
            return
        if drop:
            self._function = _nothing
        self._items.put(_END)
        self._thread.join()
        self._thread = None

    def _work(self) -> None:
        while (item := self._items.get()) is not _END:
            try:
                self._function(item)
            except BaseException as error:  # raised where the caller can see it
                self._error, self._function = error, _nothing

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


def _nothing(item: Any) -> None:
    pass
