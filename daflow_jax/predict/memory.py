"""How much memory a compiled program takes and how much the device has left."""

import ctypes
import sys
from pathlib import Path

import jax


class OutOfMemory(Exception):
    """A program that does not fit the device; names the size and both amounts."""


def program_bytes(program: jax.stages.Compiled) -> int:
    """Returns the bytes that a compiled program holds at once: inputs, outputs, temporaries."""
    analysis = program.memory_analysis()
    if analysis is None:
        return 0
    return (
        analysis.argument_size_in_bytes
        + analysis.output_size_in_bytes
        + analysis.temp_size_in_bytes
        - analysis.alias_size_in_bytes
    )


def give_back() -> bool:
    """Hands memory that the compiler has freed back to the machine, about 0.1 GB a program.

    The GNU C library would keep it. Returns whether there was any; others need no such call.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    return trim is not None and bool(trim(0))


def available(device: jax.Device) -> int | None:
    """Returns the bytes that a program may still take on the device, None if nobody knows."""
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return host_available() if device.platform == "cpu" else None


def host_available() -> int | None:
    """Returns the bytes that this process may still take of the machine, None if nobody knows."""
    known = [_machine(), *_groups()]
    return min((free for free in known if free is not None), default=None)


def _machine() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            rows = dict(line.split(":", 1) for line in file)
    except OSError:
        return None
    return int(rows["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in rows else None


def _groups(root: Path = Path("/")) -> list[int]:
    """Returns what every limit of this process's control groups (cgroup v1, v2) leaves, in bytes:
    that of a container, of a batch job, and of those around them."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        here = base / path.strip("/")
        while True:  # a container often sees its own group as the root, whatever its path says
            found.append(_left(here, bool(controllers)))
            if here == base or base not in here.parents:
                break
            here = here.parent
    return [free for free in found if free is not None]


def _left(group: Path, first_version: bool) -> int | None:
    """Returns the bytes that a control group may still take, None without a limit. Cached files
    that were not read lately make room."""
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    limit, used, cached = names if first_version else ("memory.max", "memory.current", names[2][6:])
    try:
        most, now = (int((group / name).read_text()) for name in (limit, used))
        rows = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such group, or "max"
        return None
    return max(most - now + int(rows.get(cached, 0)), 0)


def check(need: int, device: jax.Device, what: str) -> None:
    """Raises OutOfMemory if the device cannot hold `need` bytes more."""
    free = available(device)
    if free is not None and need > free:
        raise OutOfMemory(f"{what} needs {text(need)}, {text(free)} is free")


def is_exhausted(error: Exception) -> bool:
    """Returns True for our own refusal and for XLA's when an allocation failed."""
    if isinstance(error, OutOfMemory | MemoryError):
        return True
    words = str(error)
    return isinstance(error, jax.errors.JaxRuntimeError) and (
        "RESOURCE_EXHAUSTED" in words or "Out of memory" in words
    )


def text(size: int) -> str:
    """Returns bytes for people: "1.1 GB" or "340 MB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 1):.0f} MB"
