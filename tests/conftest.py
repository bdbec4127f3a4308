"""Eight fake CPU devices, quick compilation, and one cache of compiled programs for a run."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests import xla

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8" + " " + xla.QUICK
)


def _cache_of(run: str) -> Path:
    return Path(tempfile.gettempdir()) / f"daflow-tests-{run}"


# One cache a run, for all of its workers and the commands that they start.
_CACHES = {_cache_of(os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid())))}
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(*_CACHES)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Notes the cache that the workers share (called where xdist starts them)."""
    _CACHES.add(_cache_of(node.workerinput["testrunuid"]))


def pytest_sessionfinish(session):
    """Removes the run's cache once no worker needs it."""
    if not hasattr(session.config, "workerinput"):
        for cache in _CACHES:
            shutil.rmtree(cache, ignore_errors=True)
