"""How much memory a compiled program takes and how much the device has left."""

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


def available(device: jax.Device) -> int | None:
    """Returns the bytes that a program may still take on the device, None if nobody knows."""
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return _host_available() if device.platform == "cpu" else None


def _host_available() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            rows = dict(line.split(":", 1) for line in file)
    except OSError:
        return None
    return int(rows["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in rows else None


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
