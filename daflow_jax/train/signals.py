"""Requests to stop, kept until the step is done."""

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def caught() -> Iterator[list[int]]:
    """Yields a list that holds the number of the first SIGTERM or SIGINT; a second one acts as
    usual.
    """
    numbers: list[int] = []
    known = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def catch(number, frame):
        del frame
        numbers.append(number)
        for other, handler in known.items():
            signal.signal(other, handler)

    for number in known:
        signal.signal(number, catch)
    try:
        yield numbers
    finally:
        for number, handler in known.items():
            signal.signal(number, handler)
