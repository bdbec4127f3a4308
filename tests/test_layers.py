"""The rules of the rooms (docs/architecture.md): imports go downwards only."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "daflow_jax"

# room -> rooms of ours that it may import; errors may be imported by all of them
MAY_IMPORT = {
    "errors": set(),
    "axes": set(),
    "chips": set(),
    "distributed": set(),
    "flops": set(),
    "batch": set(),
    "precision": set(),
    "viz": set(),
    "io": set(),
    "degrade": {"generate"},  # the counter-based random numbers that host and device share
    "generate": set(),
    "ops": {"axes"},
    "nn": {"axes", "ops"},
    "losses": {"ops"},
    "metrics": {"ops"},
    "convert": {"io"},
    "models": {"axes", "nn", "ops", "convert"},
    "baselines": set(),
    "warm_start": set(),
    "sharding": {"axes"},
    "sequences": {"io"},
    "tasks": {"axes", "precision", "batch", "models", "losses", "metrics", "ops", "viz"},
    "train": {
        *("axes", "batch", "chips", "distributed", "flops", "metrics", "precision", "sharding"),
        "tasks",
    },
    "input_pipeline": {"batch", "io", "degrade", "generate", "layouts"},
    "layouts": {"io"},
    "survey": {"io", "layouts", "viz"},
    "predict": {"axes", "sharding", "models", "ops", "precision", "warm_start"},
    "model_folder": {"io", "models"},
    "published": {"convert", "io", "model_folder", "models"},
}
ABOVE = {  # may import every room
    *("__init__", "__main__", "api", "cli", "config_file", "experiment"),
    "plan",
}

NOT_NEEDED = {  # rooms that must load on a machine without these packages
    "grain": {"models", "tasks", "train", "nn", "ops", "predict"},
    "av": {"models", "tasks", "train", "nn", "ops", "generate"},
    "cv2": {"models", "tasks", "train", "nn", "ops"},
    "ml_collections": {"models", "tasks", "train", "nn", "ops", "predict", "io", "cli"},
    "flax": {"ops", "losses", "metrics", "io"},
    "torch": MAY_IMPORT.keys() | ABOVE,
    "tensorflow": MAY_IMPORT.keys() | ABOVE,
}


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(tree: ast.AST):
    """Yields every imported dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


LABORATORY = {"benchmarks", "configs", "data", "studies", "tests", "train"}
FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_downwards(path):
    room = _room(path)
    if room in ABOVE:
        return
    assert room in MAY_IMPORT, f"{path}: a new room needs a row in MAY_IMPORT"
    for name in _imports(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] == "daflow_jax" and len(parts) > 1:
            allowed = MAY_IMPORT[room] | {room, "errors"}
            assert parts[1] in allowed, f"{path}: {room} may not import {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_optional_packages_are_not_imported_at_the_top(path):
    tree = ast.parse(path.read_text())
    top = ast.Module([n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)], [])
    for name in _imports(top):
        assert _room(path) not in NOT_NEEDED.get(name.split(".")[0], ()), f"{path}: {name}"


def test_the_library_never_imports_the_laboratory():
    for path in FILES:
        for name in _imports(ast.parse(path.read_text())):
            assert name.split(".")[0] not in {
                "configs",
                "data",
                "tests",
                "train",
                "benchmarks",
                "studies",
            }


def test_only_models_convert_files_import_the_converter():
    for path in (PACKAGE / "models").rglob("*.py"):
        uses = any(
            n.startswith("daflow_jax.convert") for n in _imports(ast.parse(path.read_text()))
        )
        assert not uses or path.name == "convert.py", path


def test_files_and_functions_stay_short():
    for path in FILES:
        source = path.read_text()
        assert len(source.splitlines()) <= 400, path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 80, f"{path}: {node.name}"
