"""What every method that is compared has: a name, a record, and the time that it took."""

import copy
import time
from collections.abc import Callable, Iterable
from typing import Any


class Timed:
    """A method under comparison.

    Attributes:
        name: in tables. record: what identifies it in results: name, sha256, options and so on.
        seconds: of each call, without compiling.
    """

    def __init__(self, record: dict[str, Any], programs: Any = None):
        """`programs` (`predict.program.Programs`) know the time of compiling and the memory."""
        self.record, self._programs = record, programs
        self.name = record["name"]
        self.seconds: list[float] = []

    def named(self, name: str) -> Any:
        """Returns the same method under a name, its times not counted yet."""
        other = copy.copy(self)
        other.name, other.seconds = name, []
        return other

    def timed(self, work: Callable[..., Any], *args: Any) -> Any:
        """Returns what `work` returns, and keeps its time."""
        begun, compiled = time.perf_counter(), self._compiled()
        found = work(*args)
        self.seconds.append(time.perf_counter() - begun - (self._compiled() - compiled))
        return found

    def _compiled(self) -> float:
        return self._programs.compile_seconds if self._programs else 0.0

    def speed(self, unit: str = "pairs", count: int | None = None) -> dict[str, Any]:
        """Returns units per second without compiling, compile time and memory of the programs.

        `count` is the number of units of all calls, one a call unless given.
        """
        total, count = sum(self.seconds), len(self.seconds) if count is None else count
        return {
            f"{unit}_per_s": round(count / total, 3) if total else None,
            "first_call_s": round(self.seconds[0] + self._compiled(), 3) if self.seconds else None,
            "peak_memory_bytes": self._programs.peak_bytes if self._programs else None,
        }


def listed(given: Any, kinds: tuple[type, ...]) -> list[Any]:
    """Returns a list of what is given: of itself where it is of one of the kinds, or no list."""
    is_one = isinstance(given, kinds) or not isinstance(given, Iterable)
    return [given] if is_one else list(given)


def unique(methods: list[Any]) -> list[Any]:
    """Returns the methods, each under a name of its own ("dis#2") and without times."""
    seen: dict[str, int] = {}
    found = []
    for method in methods:
        count = seen[method.name] = seen.get(method.name, 0) + 1
        found.append(method.named(method.name if count == 1 else f"{method.name}#{count}"))
    return found
