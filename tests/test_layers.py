"""The rules of the rooms (docs/architecture.md): imports go downwards only, without a circle, and a
general room knows no single model."""

import ast
import functools
import graphlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "daflow_jax"
LABORATORY = {"benchmarks", "configs", "data", "studies", "tests", "train"}

EVERYWHERE = {"errors", "ranges"}  # what every room may import, beside the package's constants
# room -> rooms that it may import
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "ranges": set(),
    "viz": set(),
    "io": set(),
    "sharding": set(),
    "precision": set(),
    "profiling": set(),
    "synthetic": {"io"},  # photographs for textures
    "ops": {"sharding"},
    "nn": {"ops", "sharding"},
    "losses": {"ops"},
    "metrics": {"ops"},
    "degrade": {"synthetic"},  # the counter-based random numbers that host and device share
    "convert": {"io"},
    "datasets": {"io", "viz"},
    "outputs": {"datasets", "io", "viz"},
    "models": {"convert", "io", "nn", "ops", "sharding"},
    "pretrained": {"convert", "io", "models"},
    "tasks": {"degrade", "losses", "metrics", "models", "nn", "ops", "precision", "viz"},
    "train": {"io", "metrics", "models", "precision", "profiling", "sharding", "tasks"},
    "input_pipeline": {"datasets", "degrade", "io", "synthetic", "tasks"},
    "predict": {"io", "metrics", "models", "ops", "sharding"},
    "fitting": {"io", "losses", "metrics", "models", "ops", "predict", "pretrained"},
    "export": {"io", "models", "ops", "predict", "pretrained"},
    "experiment": {
        *("input_pipeline", "io", "models", "precision", "pretrained", "sharding", "synthetic"),
        *("tasks", "train"),
    },
    "api": {"models", "ops", "predict", "pretrained"},
    "evaluate": {
        *("api", "datasets", "degrade", "io", "metrics", "models", "ops", "predict", "pretrained"),
        *("synthetic", "viz"),
    },
    "plan": {
        "tasks",
        *("experiment", "models", "precision", "predict", "pretrained", "profiling", "sharding"),
        "train",
    },
    "cli": {
        *("api", "convert", "datasets", "degrade", "evaluate", "experiment", "export", "fitting"),
        *("io", "models", "outputs", "plan", "predict", "pretrained", "profiling", "sharding"),
        *("synthetic", "viz"),
    },
    "__main__": {"cli"},
    "__init__": set(),  # imports nothing before a name is asked for
}

NOT_NEEDED = {  # packages that these rooms must do without until they are asked for what needs them
    "grain": MAY_IMPORT.keys() - {"input_pipeline"},
    "av": {"models", "tasks", "train", "nn", "ops", "synthetic"},
    "cv2": {"models", "tasks", "train", "nn", "ops"},
    "ml_collections": MAY_IMPORT.keys(),
    "flax": {"ops", "losses", "metrics", "io", "cli", "__init__"},
    "jax": {"cli", "io", "__init__", "errors", "datasets"},
    "matplotlib": MAY_IMPORT.keys(),
    "torch": MAY_IMPORT.keys(),
    "tensorflow": MAY_IMPORT.keys(),
}

FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]
each_file = pytest.mark.parametrize("path", FILES, ids=NAMES)


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _imports(tree: ast.AST):
    """Yields every imported dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _ours(path: Path) -> set[str]:
    """Returns the rooms of ours that a file imports, wherever in the file."""
    names = (name.split(".") for name in _imports(_tree(path)))
    found = {parts[1] for parts in names if parts[0] == "daflow_jax" and len(parts) > 1}
    return {
        room for room in found if (PACKAGE / room).exists() or (PACKAGE / f"{room}.py").exists()
    }


@each_file
def test_imports_go_downwards(path):
    room = _room(path)
    assert room in MAY_IMPORT, f"{path}: a new room needs a row in MAY_IMPORT"
    wrong = _ours(path) - MAY_IMPORT[room] - {room, *EVERYWHERE}
    assert not wrong, f"{path}: {room} may not import {sorted(wrong)}"


def test_the_table_of_rooms_has_no_circle():
    order = graphlib.TopologicalSorter(MAY_IMPORT).static_order()  # raises CycleError
    assert set(order) == set(MAY_IMPORT)
    rooms = {_room(path) for path in FILES}
    assert rooms == set(MAY_IMPORT), "a room without a row, or a row without a room"


def _module(path: Path) -> str:
    parts = ("daflow_jax", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


def test_modules_import_each_other_in_no_circle():
    modules = {_module(path): path for path in FILES}
    graph = {}
    for name, path in modules.items():
        top = ast.Module([n for n in _tree(path).body if isinstance(n, ast.ImportFrom)], [])
        graph[name] = {
            dotted if dotted in modules else dotted.rpartition(".")[0]
            for dotted in _imports(top)
            if dotted.startswith("daflow_jax.")
        } & modules.keys() - {name}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


@each_file
def test_optional_packages_are_not_imported_at_the_top(path):
    top = ast.Module(
        [n for n in _tree(path).body if isinstance(n, ast.Import | ast.ImportFrom)], []
    )
    for name in _imports(top):
        assert _room(path) not in NOT_NEEDED.get(name.split(".")[0], ()), f"{path}: {name}"


def test_the_library_never_imports_the_laboratory():
    for path in FILES:
        for name in _imports(_tree(path)):
            assert name.split(".")[0] not in LABORATORY, path


def test_the_laboratory_never_imports_the_command_line():
    for folder in ("benchmarks", "studies", "data"):
        for path in (ROOT / folder).rglob("*.py"):
            for name in _imports(ast.parse(path.read_text())):
                assert not name.startswith("daflow_jax.cli"), f"{path}: {name}"


MODEL_FOLDERS = {path.name for path in (PACKAGE / "models").iterdir() if path.is_dir()}
# words of one model, and sizes of one network, that a general room must not hold
SINGLE_MODEL = re.compile(
    r"\.family\s*[=!]=|hasattr\([^)]*['\"]iters['\"]|denoise_steps|tap_step|// ?8\b|\b1/8\b"
)


def test_general_rooms_know_no_single_model():
    for path in FILES:
        if _room(path) == "models":
            continue
        for name in _imports(_tree(path)):
            parts = name.split(".")
            is_folder = (
                parts[:2] == ["daflow_jax", "models"] and parts[2:3] and parts[2] in MODEL_FOLDERS
            )
            assert not is_folder, f"{path} imports {name}"
        if _room(path) in ("ops", "nn", "losses", "metrics", "degrade", "io", "synthetic"):
            continue  # arrays and files: their eighths are not those of a network's grid
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not SINGLE_MODEL.search(line), f"{path}:{number}: {line.strip()}"


def test_models_reach_each_other_only_where_one_holds_the_other():
    holds = {
        "basicvsr": {"spynet"},
        "daflow": {"dit4sr", "raft"},
        "daflow_cost": {"raft"},
        "dit4sr": {"vae"},
        "maskformer": {"resnet", "vit_keys"},
        "vit_keys": {"vit"},
        "sea_raft": {"raft"},
        "adaptive_flow": {"raft"},
    }
    for path in (PACKAGE / "models").rglob("*/*.py"):
        own = path.parent.name
        for name in _imports(_tree(path)):
            parts = name.split(".")
            if parts[:2] == ["daflow_jax", "models"] and parts[2] in MODEL_FOLDERS - {own}:
                assert parts[2] in holds.get(own, set()), f"{path}: {name}"


def test_only_conversion_files_of_models_import_the_converter():
    for path in (PACKAGE / "models").rglob("*.py"):
        uses = any(n.startswith("daflow_jax.convert") for n in _imports(_tree(path)))
        assert not uses or path.name in ("convert.py", "checkpoints.py"), path


def test_files_and_functions_stay_short():
    for path in FILES:
        assert len(path.read_text().splitlines()) <= 400, path
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 80, f"{path}: {node.name}"
