"""A command line, a tiny model for it, and a cache of compiled programs for the whole session."""

import pytest

from daflow_jax import cli
from tests import tiny


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Points DAFLOW_CACHE at a folder of this session."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("DAFLOW_CACHE", str(folder))
        patch.delenv("DAFLOW_MODELS", raising=False)
        yield folder


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """Returns the path of a model folder with random weights."""
    return str(tiny.save(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def daflow(capsys, tmp_path, monkeypatch):
    """Returns a function that runs a command line in `tmp_path`: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as exit:
            code = exit.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
