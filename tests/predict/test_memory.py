"""Memory that is left: of the machine, and what control groups allow."""

import ctypes
import platform
import resource
from pathlib import Path

import pytest

from daflow_jax.predict import memory

UNLIMITED = 9223372036854771712


def write(root, path, **files):
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(str(text))


@pytest.mark.parametrize("path", ["/", "/job/step", "/elsewhere/on/the/host"])
def test_the_tightest_group_of_the_second_version_counts(tmp_path, path):
    write(tmp_path, "proc/self", cgroup=f"0::{path}\n")
    stat = "anon 100\ninactive_file 50\n"
    write(tmp_path, "sys/fs/cgroup", memory__max=1000, memory__current=300, memory__stat=stat)
    limits = dict(memory__max="max", memory__current=10, memory__stat=stat)
    write(tmp_path, "sys/fs/cgroup/job/step", **limits)
    assert memory._groups(tmp_path) == [750]
    write(tmp_path, "sys/fs/cgroup/job", **{**limits, "memory__max": 200})
    assert min(memory._groups(tmp_path)) == (240 if path == "/job/step" else 750)


def test_groups_of_the_first_version_count(tmp_path):
    write(tmp_path, "proc/self", cgroup="5:cpu,cpuacct:/a\n4:memory:/docker/x\n")
    files = dict(memory__usage_in_bytes=400, memory__stat="total_inactive_file 0\n")
    root = "sys/fs/cgroup/memory"
    write(tmp_path, root, memory__limit_in_bytes=UNLIMITED, **files)
    assert min(memory._groups(tmp_path)) > 10**15
    write(tmp_path, f"{root}/docker/x", memory__limit_in_bytes=1000, **files)
    assert min(memory._groups(tmp_path)) == 600


def test_no_groups_are_no_limit(tmp_path):
    assert memory._groups(tmp_path) == []


def test_what_is_available_is_the_least(monkeypatch):
    monkeypatch.setattr(memory, "_groups", lambda: [12345])
    assert memory.host_available() == 12345


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of the GNU C library")
def test_freed_memory_goes_back_to_the_machine():
    library, size = ctypes.CDLL(None), 60_000
    library.malloc.restype = ctypes.c_void_p
    library.free.argtypes = (ctypes.c_void_p,)
    held = [library.malloc(size) for _ in range(1000)]
    for place in held:
        ctypes.memset(place, 1, size)
    for place in held[:-1]:  # the last one keeps the heap from shrinking by itself
        library.free(place)
    before = _resident()
    assert memory.give_back()
    assert before - _resident() > 40e6
    library.free(held[-1])


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
