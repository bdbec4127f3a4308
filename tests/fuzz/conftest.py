"""Flags of `python -m pytest tests/fuzz -m fuzz --cases 2000 --seed 1`."""


def pytest_addoption(parser):
    parser.addoption("--cases", type=int, default=2000, help="of the long run")
    parser.addoption("--seed", type=int, default=1, help="of the long run")
